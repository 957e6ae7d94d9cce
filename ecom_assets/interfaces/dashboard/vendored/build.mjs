// Writes ../static/vendor: the scripts of the charts, the shapes of countries, and the licences of all that is in them.
import { build } from "esbuild";
import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

const target = "../static/vendor";
const made = await build({
  entryPoints: ["charts.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  outfile: `${target}/vega.min.js`,
  metafile: true,
});
copyFileSync("node_modules/world-atlas/countries-110m.json", `${target}/countries.json`);

const parts = new Set(["node_modules/world-atlas"]);
for (const path of Object.keys(Object.values(made.metafile.outputs)[0].inputs)) {
  const found = path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/);
  if (found) parts.add(found[0]);
}
const texts = new Map();
for (const folder of [...parts].sort()) {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`));
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? readFileSync(`${folder}/${file}`, "utf8").trim() : `Licence: ${license}`;
  texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${license})`]);
}
const entries = [...texts].map(([text, names]) => `${names.join("\n")}\n\n${text}\n`);
writeFileSync(`${target}/LICENSES.txt`, `What vega.min.js and countries.json are made of.\n\n${entries.join(`\n${"-".repeat(80)}\n\n`)}`);

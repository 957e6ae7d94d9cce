// What `static/dashboard.js` calls. The interpreter runs expressions without `eval`, which the pages' policy forbids.
import { View, parse } from "vega";
import { compile } from "vega-lite";
import { expressionInterpreter } from "vega-interpreter";

window.ecomVega = { View, parse, compile, expressionInterpreter };

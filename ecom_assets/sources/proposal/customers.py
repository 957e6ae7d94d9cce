"""A mapping of customers by the names and values of columns."""

from dataclasses import dataclass

from ecom_assets.sources.proposal.draft import Draft, file_lines
from ecom_assets.sources.proposal.fields import TIMES
from ecom_assets.sources.proposal.questions import FORMAT, ZONE, quoted
from ecom_assets.sources.proposal.values import Value


@dataclass
class CustomerDraft(Draft):
    """A mapping of customers that is being written."""

    def lines(self) -> list[str]:
        """Return the lines of the mapping."""
        self.complete(["id"])
        fields = [self._customer_field(name) for name in dict.fromkeys(["id", *self.found])]
        return [*file_lines(self.values), "fields:", *fields]

    def _customer_field(self, name: str) -> str:
        if name not in self.found:
            return self.marked(f'  {name}: "?"', name)
        value = self.found[name].value
        options = [] if name == "id" else ["optional: true"]
        if name == "id" and self.values.are_emails(value):
            options.append("lower: true")
        if name in TIMES:
            options += self.time_options(value)
        path = f"path: {quoted(_path_of(value))}"
        return self.marked(f"  {name}: {{{', '.join([path, *options])}}}", FORMAT, ZONE)


def _path_of(value: Value) -> str:
    return ".".join(value.path)

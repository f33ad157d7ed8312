"""``docs/cli.md``, written from the commands themselves: ``python -m slipway.cli.document FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

from slipway.cli.app import app
from slipway.cli.exits import MEANINGS

FILE: Final = "cli.md"

_HEAD: Final = """<!-- Generated from operator/slipway/cli by `make generate`: change the commands. -->

# The command line

`slipway` looks at rollouts, says what a person decides about one, and checks manifests. It needs no more rights than a
person with kubectl has: it reads ModelDeployments, ModelRevisions and Deployments, and decisions are a patch of an
annotation of the ModelDeployment. As `kubectl-slipway` on the path (a symbolic link to it) it is `kubectl slipway`.

    $ slipway status fraud
    fraud  on its way  (namespace shop, generation 14)
      release v2 takes 50% of the traffic and is judged on it
      stable     v1  fraud-1f0c2a9b  2/2 pods ready  50% of the traffic
      candidate  v2  fraud-93ab77e0  1/1 pods ready  50% of the traffic
        Stepping for 30s, step 2 of 3
        GatheringEvidence: neither harm nor safety is shown yet
        gate accuracy  Pass  accuracy 91.20% of 500 items, at least 85.00%
        gate errors  Continue  +0.02pp, evidence of harm 1.1 of 100 needed
        in 1m30s at the earliest: the step is over
        in 6m30s at the earliest: it is promoted
        in 29m30s: no more time for a verdict, and analysis.onInconclusive follows

A pipeline applies a manifest and waits for *its* change:

    generation=$(kubectl apply -f fraud.yaml -o jsonpath='{.metadata.generation}')
    slipway status fraud --watch --timeout 1h --generation "$generation"

Promoted (0) means that the release takes all traffic. Where `rollback.watch` is set it can still be hauled back later.
On a terminal the tree is drawn anew in place. Anywhere else there are plain lines, and a watch prints one for each
change.

## How a person decides

A verb writes the annotation `slipway.dev/command: <verb>@<hash>[/<step>]#<nonce>`, on exactly the version of the object
that it read, and waits until the operator has answered it in `status.lastCommand`. It is bound to the release, and
`promote` and `approve` to the step, that the status showed: if the rollout has moved on meanwhile, nothing is passed by
accident.

What is written belongs to the field manager `slipway-cli`.

`undo` aborts a rollout that is on or still watched. When none is, it names the release before, which is best declared
again in git; with `--apply` it declares that release in the cluster alone, and GitOps will put back what git says.

## What lint knows

`lint` and `diff` read files, folders and standard input, and leave objects that are not of slipway.dev alone. Checked
are the schema of the CRD, its rules, and what the operator would refuse: a weight that the router cannot make, a
strategy that it cannot carry. What only a cluster knows, such as what its GatewayClass supports, is left open.
Overlays are checked when they are built: `kustomize build overlay | slipway lint -f -`.
"""

_TAIL: Final = """
## Completion

`slipway --install-completion` sets completion up for the shell that it is typed in (bash, zsh or fish);
`slipway --show-completion` prints what it would install.
"""

_PLACE: Final = ("namespace", "kubeconfig", "context")
"""Options of every verb that asks a cluster: told once."""


def markdown() -> str:
    """The page."""
    group: Any = get_command(app)
    place = _table(option for option in group.commands["list"].params if option.name in _PLACE)
    verbs = "\n".join(line for command in group.commands.values() for line in _verb(command))
    which = f"## Which cluster\n\nEvery verb that asks one takes:\n\n{place}"
    return f"{_HEAD}\n{_codes()}\n{which}\n## Verbs\n\n{verbs}{_TAIL}"


def _codes() -> str:
    rows = "\n".join(f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items())
    return f"## Exit codes\n\n| code | meaning |\n|---|---|\n{rows}\n"


def _verb(command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    asks = {option.name for option in options} >= set(_PLACE)
    words = "".join(f" {argument.metavar or argument.name.upper()}" for argument in arguments)
    yield f"### slipway {command.name}{words}"
    yield ""
    yield " ".join(str(command.help or "").split())
    yield ""
    own = [option for option in options if not (asks and option.name in _PLACE)]
    if own:
        yield _table(own)


def _table(options: Iterable[Any]) -> str:
    rows = "\n".join(_option(option) for option in options)
    return f"| option | meaning |\n|---|---|\n{rows}\n"


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    metavar = " `{}`".format(option.metavar.replace("|", r"\|")) if option.metavar else ""
    environment = f" Environment: `{option.envvar}`." if option.envvar else ""
    return f"| {names}{metavar} | {option.help}{environment} |"


def main(folder: Path) -> None:
    """Write the page into a folder."""
    (folder / FILE).write_text(markdown())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What a dashboard is made of: rows of panels, each with its unit, its description and its queries."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import GraphDrawStyle, LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

OF: Final = 'namespace=~"$namespace", pipeline=~"$pipeline"'
"""Matchers of the pipelines that were chosen."""

PERIOD: Final = "$__rate_interval"
_DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="$datasource")
_COLUMNS: Final = 24
_HEIGHTS: Final = {"graph": 8, "number": 4}

Unit = Literal["s", "short", "percentunit", "bytes", "ops", "none", "bool_yes_no", "x"]
"""Grafana's names: seconds, a count, a share of 1, bytes, a rate a second, a bare number, yes or no, a multiple."""


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called in the legend."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph, or (``number``) the newest value alone.

    Attributes:
        title: what it shows.
        description: what it means and what to make of it; Grafana shows it behind an i.
        unit: of its values.
        queries: at least one.
        least: bottom of the axis.
        most: top of the axis, where values have a natural one.
    """

    title: str
    description: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Literal["graph", "number"] = "graph"
    least: float = 0
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable at the top of the dashboard: values of a label of a metric."""

    name: str
    title: str
    query: str


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard; ``name`` is that of its file."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = field(default=())


def graph(
    title: str, description: str, unit: Unit, *queries: Query, least: float = 0, most: float | None = None
) -> Panel:
    """Values over time."""
    return Panel(title, description, unit, queries, least=least, most=most)


def number(title: str, description: str, unit: Unit, expr: str) -> Panel:
    """The newest value."""
    return Panel(title, description, unit, (Query(expr),), "number")


def quantiles(metric: str, matchers: str, *shares: float, by: str = "") -> tuple[Query, ...]:
    """The given quantiles of a histogram; with ``by`` one series for each value of these labels, comma-separated."""
    labels = f"le, {by}" if by else "le"
    named = "".join(f" {{{{{label.strip()}}}}}" for label in by.split(",") if label)
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{matchers}}}[{PERIOD}])))",
            f"p{share * 100:g}{named}",
        )
        for share in shares
    )


def rate(metric: str, matchers: str, by: str, legend: str) -> Query:
    """How much a counter grows in a second, summed by these labels."""
    return Query(f"sum by ({by}) (rate({metric}{{{matchers}}}[{PERIOD}]))", legend)


def build(board: Board) -> Dashboard:
    """Grafana's model of the dashboard."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(f"speechpipe-{board.name}")
        .description(board.description)
        .tags(["speechpipe"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for choice in board.choices:
        made = made.with_variable(_variable(choice))
    for row in board.rows:
        made = made.with_row(dashboard.Row(row.title))
        for panel, span in zip(row.panels, _spans(row.panels), strict=True):
            made = made.with_panel(_panel(panel, span))
    return made.build()


def _variable(choice: Choice) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(choice.name)
        .label(choice.title)
        .query(choice.query)
        .datasource(_DATASOURCE)
        .multi(True)
        .include_all(True)
        # Not .*, which is true of series without the label too.
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _spans(panels: Sequence[Panel]) -> list[int]:
    """Widths: numbers share a line; graphs stand two or three in one."""
    if all(panel.kind == "number" for panel in panels):
        return [_COLUMNS // len(panels)] * len(panels)
    per_line = 3 if len(panels) % 3 == 0 else 2
    return [_COLUMNS // per_line] * len(panels)


def _panel(panel: Panel, span: int) -> timeseries.Panel | stat.Panel:
    made: timeseries.Panel | stat.Panel = _number() if panel.kind == "number" else _graph()
    made = made.title(panel.title).description(panel.description).unit(panel.unit).datasource(_DATASOURCE)
    made = made.min(panel.least).span(span).height(_HEIGHTS[panel.kind])
    if panel.most is not None:
        made = made.max(panel.most)
    for index, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id(chr(ord("A") + index)).datasource(_DATASOURCE)
        target = target.instant() if panel.kind == "number" else target.range()
        made = made.with_target(target.legend_format(query.legend) if query.legend else target)
    return made


def _graph() -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    return (
        timeseries.Panel()
        .draw_style(GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(10)
        .legend(legend.show_legend(True).calcs([]))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )


def _number() -> stat.Panel:
    return stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))

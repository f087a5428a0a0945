"""Dashboards that say what they show: every panel with its unit and meaning, every query about a metric that exists."""

import pytest
from metrics_page import sample_names
from promql import boards, metrics, panel_queries, panels


@pytest.mark.parametrize("name", boards())
def test_every_panel_has_a_unit_and_a_description(name: str) -> None:
    """Nobody has to guess what a number is, or what to make of it."""
    board = boards()[name]
    assert board["uid"] == f"speechpipe-{name}"
    assert panels(board)
    for panel in panels(board):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "$datasource", panel["title"]


@pytest.mark.parametrize("name", boards())
def test_pipelines_and_the_data_source_can_be_chosen(name: str) -> None:
    """Each dashboard has these variables, and reads no series without a choice of namespace."""
    variables = {variable["name"]: variable for variable in boards()[name]["templating"]["list"]}
    assert variables.keys() >= {"datasource", "namespace", "pipeline"}
    for panel in panels(boards()[name]):
        for target in panel["targets"]:
            assert "$namespace" in target["expr"] or "$operator" in target["expr"], panel["title"]


def test_panels_do_not_overlap_and_titles_are_unique_in_a_dashboard() -> None:
    """A layout that a person can read."""
    for name, board in boards().items():
        places = [panel["gridPos"] for panel in board["panels"]]
        cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
        assert len(cells) == len(set(cells)), name
        assert max(p["x"] + p["w"] for p in places) <= 24, name


def test_every_metric_in_a_panel_exists() -> None:
    """What panels read is in a registry of the code."""
    missing = [(found.place, name) for found in panel_queries() for name in metrics(found.expr) - sample_names()]
    assert missing == []

"""Charts as SVG elements of a page."""

from __future__ import annotations

import re

import pytest

from zoo.reports.charts import Line, draw_curves, draw_speed, legend


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize("draw", [draw_curves, draw_speed])
def test_epochs_are_whole_numbers_even_if_there_is_one(draw):
    svg = draw("one", "one epoch", [Line([(1, 0.5)])])
    assert [text for text in texts(svg[: svg.index(">epoch<")]) if text] == ["1"]


def test_two_drawings_in_one_page_share_no_id():
    drawings = [draw_curves(name, "", [Line([(1, 0), (2, 1)])]) for name in ("first", "second")]
    first, second = (set(re.findall(r' id="([^"]*)"', svg)) for svg in drawings)
    assert first
    assert not first & second


def test_the_text_for_readers_who_do_not_see_a_drawing_is_escaped():
    svg = draw_curves("one", '"<b>"', [Line([(1, 0)])])
    assert 'aria-label="&#34;&lt;b&gt;&#34;"' in svg


def test_more_lines_than_colours_differ_in_their_dashes():
    lines = legend([str(number) for number in range(20)])
    assert len({(colour, style) for _, colour, style in lines}) == 20

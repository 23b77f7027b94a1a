# SPDX-License-Identifier: GPL-2.0-or-later
"""From measurements to a picture: bars of medians, with whiskers."""

import html

from bench import report

MORE, LESS = "(more is better)", "(less is better)"


def _tcp(role):
    """A panel of TCP."""
    return (f"TCP through the {role}, Mbit/s {MORE}", 0, "rate", tuple(
        (f"tcp-{role}-{way}-{flows}", f"{where}, {words}")
        for way, where in (("up", "to native"), ("down", "to client"))
        for flows, words in ((1, "1 flow"), (4, "4 flows"))))


def _small(kind, words, what, digits, key):
    """A panel of small packets."""
    return (f"64 bytes of UDP, {words}: {what}", digits, key, (
        (f"{kind}-up", "to native"), (f"{kind}-down", "to client")))


#: Panels: title, digits, figure, and the rows with their names there.
PANELS = (
    _tcp("relay"), _tcp("client"),
    *(_small(*kind, *what)
      for what in (
          (f"processor time of the relay, µs a packet {LESS}", 2, "cpu"),
          (f"busy machine, µs a packet {LESS}", 2, "machine"),
          (f"delivered at full load, packets/s {MORE}", 0, "delivered"))
      for kind in (("train", "trains"), ("single", "single"))),
    (f"Server, answers/s {MORE}", 0, "answered", (
        ("ask", "solicitations"), ("forward", "bubbles"))),
)

COLOURS = {"ours": "#2a78d6", "debian": "#d9822b", "plain": "#7d8590",
           "vxlan": "#3d9970", "ours-plain": "#8e6bbf", "ours-1": "#c2567a"}
WIDTH, LEFT, SCALE = 860, 170, 520
BAR, GAP, HEAD = 13, 8, 34

#: Readable on white and on black.
STYLE = """
text { font: 12px sans-serif; fill: #6e7781 }
.title { font-weight: bold; font-size: 14px }
.head { font-weight: bold }
.axis { stroke: #8c959f; stroke-width: 1 }
.span { stroke: #6e7781; stroke-width: 1.5 }
"""


class Picture:
    """An SVG that grows downwards."""

    def __init__(self):
        self.y, self.parts = 0, []

    def text(self, x, y, text, kind="label", anchor="start"):
        self.parts.append(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" '
                          f'text-anchor="{anchor}">{html.escape(text)}'
                          "</text>")

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" '
                          f'y2="{y2:.1f}" class="{kind}"/>')

    def box(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" fill="{colour}" '
                          f'width="{width:.1f}" height="{height:.1f}"/>')

    def bar(self, cell, full, digits, colour):
        """One bar, and what it stands for."""
        median, low, high = (value / full * SCALE for value in cell)
        self.box(LEFT, self.y, median, BAR - 2, colour)
        middle = self.y + BAR / 2 - 1
        self.line(LEFT + low, middle, LEFT + high, middle, "span")
        for end in low, high:
            self.line(LEFT + end, middle - 3, LEFT + end, middle + 3, "span")
        self.text(LEFT + max(median, high) + 6, self.y + BAR - 3,
                  report.number(cell.median, digits))
        self.y += BAR

    def panel(self, title, digits, groups):
        """A heading, and a group of bars for each row."""
        full = max(cell.high for _, bars in groups for _, cell in bars)
        self.text(12, self.y + 20, title, "head")
        self.y += HEAD
        top = self.y
        for name, bars in groups:
            middle = self.y + len(bars) * BAR / 2 + 3
            self.text(LEFT - 8, middle, name, anchor="end")
            for colour, cell in bars:
                self.bar(cell, full, digits, colour)
            self.y += GAP
        self.line(LEFT, top - 3, LEFT, self.y - GAP + 1, "axis")
        self.y += GAP

    def __str__(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
                f'height="{self.y}" viewBox="0 0 {WIDTH} {self.y}">\n'
                "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n"
                f"<style>{STYLE}</style>\n" + "\n".join(self.parts)
                + "\n</svg>\n")


def group(everything, contenders, row, key):
    """The bars of a row: (colour, Cell) of each contender that has one."""
    results = everything.get(row, {})
    cells = [(COLOURS[c.name], report.cell([run.get(key) for run in
                                            results.get(c.name, ())]))
             for c in contenders]
    return [(colour, cell) for colour, cell in cells if cell]


def svg(everything, contenders, facts):
    """The picture of a run."""
    picture = Picture()
    picture.text(12, 24, "Miredo beside others: medians, lowest to highest",
                 "title")
    picture.text(12, 44, ", ".join(f"{name} {facts[name]}" for name in
                                   ("date", "kernel", "commit", "cores")))
    x = 12
    for contender in contenders:
        picture.box(x, 58, 11, 11, COLOURS[contender.name])
        picture.text(x + 17, 68, contender.title)
        x += 40 + 7 * len(contender.title)
    picture.y = 82
    for title, digits, key, rows in PANELS:
        groups = [(name, bars) for row, name in rows
                  for bars in [group(everything, contenders, row, key)]
                  if bars]
        if groups:
            picture.panel(title, digits, groups)
    return str(picture)

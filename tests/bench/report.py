# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sections of the bench found: printed as it comes, gathered for the table at the end, JSON and pictures.

A ratio is told as the median of its pairs with the median's 95 per cent interval, by order statistics: the machine's
other work makes outliers, and nothing here supposes how they are spread.  A line with a promise holds when its interval
reaches the promise: a bench cannot show less than its noise.
"""
import json
import math
import os
import shutil
import statistics
import subprocess


def interval(values):
    """The median and its 95 per cent interval; with less than six values all of them."""
    ordered, n = sorted(values), len(values)
    skip, tail = 0, 0.0
    for k in range(n // 2):             # how many may be left out at each end
        tail += math.comb(n, k) / 2 ** n
        if 2 * tail > 0.05:
            break
        skip = k
    return statistics.median(ordered), ordered[skip], ordered[n - 1 - skip]


class Report:
    """`pairs`: how often each comparison is to be made; `build`: where the programs are; `directory`: where data and
    pictures go, or None."""

    def __init__(self, pairs, build, directory=None):
        self.pairs, self.build, self.directory = pairs, build, directory
        self.section, self.lines, self.data, self.pictures = None, [], {}, []

    def begin(self, section):
        self.section = section
        print(f"\n==== {section}", flush=True)

    def note(self, text):
        print(text, flush=True)

    def keep(self, name, value):
        """Goes into the JSON, under the section's name."""
        self.data.setdefault(self.section, {})[name] = value

    def ratio(self, what, variant, values, promise=None, cost=""):
        """One line: the ratio in each pair, promised to be at least so much."""
        median, low, high = interval(values)
        self._line(what, variant, f"{median:6.3f}  [{low:.3f} {high:.3f}]", promise, promise is None or high >= promise,
                   cost, ratio=median, low=low, high=high, pairs=len(values))

    def figure(self, what, variant, value, unit, promise=None, at_least=False):
        """One line that is no ratio: promised to be at most so much, or at least."""
        holds = promise is None or (value >= promise if at_least else value <= promise)
        self._line(what, variant, f"{value:.4g} {unit}", promise, holds, "", value=value, unit=unit, at_least=at_least)

    def _line(self, what, variant, shown, promise, holds, cost, **values):
        line = {"section": self.section, "what": what, "variant": variant, "promise": promise, **values}
        if promise is not None:
            line["holds"] = holds
        self.lines.append(line | {"shown": shown})
        print(f"  {what:42} {variant:10} {cost:>11} {shown}{verdict(line)}", flush=True)

    def curve(self, name, title, x, y, curves):
        """A picture: curves is {label: [(x, y), ...]}, x as a logarithm."""
        self.pictures.append((name, title, x, y, curves))

    def promised(self):
        return [line for line in self.lines if line["promise"] is not None]

    def table(self):
        """What must hold, all sections together."""
        rows = self.promised()
        if not rows:
            return
        print("\n==== What must hold: ratios to one stateful rule, median of the pairs with its 95 % interval")
        for line in rows:
            print(f"  {line['section']:9} {line['what']:42} {line['variant']:10} {line['shown']:24}{verdict(line)}")
        print(f"  {sum(line['holds'] for line in rows)} of {len(rows)} lines hold")

    def save(self, **about):
        if not self.directory:
            return
        os.makedirs(self.directory, exist_ok=True)
        with open(os.path.join(self.directory, "bench.json"), "w") as f:
            lines = [{key: value for key, value in line.items() if key != "shown"} for line in self.lines]
            json.dump(about | {"lines": lines, "data": self.data}, f, indent=1)
        if not shutil.which("gnuplot"):
            print("no gnuplot: no pictures")
            return
        for name, title, x, y, curves in self.pictures:
            draw(self.directory, name, CURVES.format(title=title, x=x, y=y), curves)
        self._draw_ratios()

    def _draw_ratios(self):
        rows = [line for line in self.lines if "ratio" in line and line["variant"] not in ("stateful",)]
        if not rows:
            return
        points = [f"{n} {line['ratio']} {line['low']} {line['high']} {line['promise'] or 'NaN'} "
                  f"\"{line['what']}, {line['variant']}\"" for n, line in enumerate(rows)]
        path = os.path.join(self.directory, "ratios.dat")
        with open(path, "w") as f:
            f.write("\n".join(points) + "\n")
        plot(RATIOS.format(out=os.path.join(self.directory, "ratios.png"), data=path, count=len(rows),
                           height=140 + 22 * len(rows)))


def verdict(line):
    if line["promise"] is None:
        return ""
    bound = ">=" if line.get("at_least", "ratio" in line) else "<="
    return f"  {bound} {line['promise']:g}: {'holds' if line['holds'] else 'DOES NOT HOLD'}"


# ---- pictures

CURVES = """set title '{title}'
set xlabel '{x}'
set ylabel '{y}'
set logscale x
set yrange [0:*]
set key outside right
"""
RATIOS = """set terminal pngcairo size 1000,{height}
set output '{out}'
set title 'Ratio to one stateful rule, median and 95 % interval; cross: promised'
set yrange [{count}:-1]
set xrange [0.4:1.5]
set grid x
set ytics noenhanced
set arrow from 1,-1 to 1,{count} nohead lc rgb 'grey'
plot '{data}' using 2:1:3:4:ytic(6) with xerrorbars pt 7 lc rgb '#205080' notitle, \\
     '' using 5:1 with points pt 2 lc rgb '#c03020' notitle
"""


def plot(script):
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def draw(directory, name, script, curves):
    lines = []
    for n, (label, points) in enumerate(curves.items()):
        path = os.path.join(directory, f"{name}-{n}.dat")
        with open(path, "w") as f:
            f.writelines(f"{x} {y}\n" for x, y in points)
        lines.append(f"'{path}' with linespoints title '{label}'")
    plot(f"set terminal pngcairo size 1000,600\nset output '{os.path.join(directory, name)}.png'\n{script}"
         f"plot {', '.join(lines)}\n")

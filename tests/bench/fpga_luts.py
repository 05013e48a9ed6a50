#!/usr/bin/env python3
"""Synthesises the multiply-accumulate units behind search/cost/fpga_luts.cc with yosys and counts their LUTs.

    tests/bench/fpga_luts.py                  every row of the table, as the source has it
    tests/bench/fpga_luts.py int4 e2m1*e4m3   these

Exits with 1 if a row or a fit differs from the source, 77 without yosys.

A unit takes two operands and adds their product to a register that holds 4608 products exactly (accumulators.h). Integers
are `acc + a * b`. Floats are decoded into significand and exponent (a subnormal has the exponent of the least normal),
the significands are multiplied, the product is shifted by the sum of the exponents, negated by its sign, and added. Nothing
is optimised by hand. The fits of the source are worked out again from its rows, whatever rows are asked for.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "search/cost/fpga_luts.cc"
PASSES = "synth_xilinx -family xcup -nodsp -nowidelut -top mac"
LOG_PRODUCTS = 13  # of 4608, rounded up
OPERAND = r"(?:Int\((\d+)\)|Float\((\d+), (\d+)\))"


def parse(match):
    """(bits, e, m) of an operand's three groups; integers have e = m = 0."""
    bits, e, m = (int(each or 0) for each in match)
    return (bits or 1 + e + m, e, m)


def name(operand):
    bits, e, m = operand
    return f"e{e}m{m}" if e else f"int{bits}"


def table():
    """The rows of the source: label => (a, b, LUTs)."""
    rows = {}
    for row in re.findall(r"\{" + OPERAND + ", " + OPERAND + r", (\d+)\}", SOURCE.read_text(encoding="utf-8")):
        a, b = parse(row[0:3]), parse(row[3:6])
        rows[name(a) if a == b else f"{name(a)}*{name(b)}"] = (a, b, int(row[6]))
    return rows


def integers(a, b):
    top = a[0] + b[0] + LOG_PRODUCTS  # accumulator less one
    return f"""module mac(input clk, input signed [{a[0] - 1}:0] a, input signed [{b[0] - 1}:0] b, output reg signed [{top}:0] acc);
  always @(posedge clk) acc <= acc + a * b;
endmodule
"""


def decoded(operand, which):
    """Significand `as` and exponent `ae`, or of b."""
    _, e, m = operand
    exponent = f"{which}[{e + m - 1}:{m}]"
    significand = f"{{|{exponent}, {which}[{m - 1}:0]}}" if m else f"|{exponent}"
    return (f"  wire [{m}:0] {which}s = {significand};"
            f" wire [{e - 1}:0] {which}e = (|{exponent}) ? {exponent} - 1'b1 : {e}'d0;\n")


def floats(a, b):
    # Names and order are part of the measurement: what yosys finds moves by a few LUTs with them.
    (_, ea, ma), (_, eb, mb) = a, b
    top = 2**ea + ma - 1 + 2**eb + mb - 1  # of the product with its sign
    return f"""module mac(input clk, input [{ea + ma}:0] a, input [{eb + mb}:0] b, output reg signed [{top + LOG_PRODUCTS}:0] acc);
{decoded(a, "a")}{decoded(b, "b")}  wire [{max(ea, eb)}:0] sh = ae + be; wire neg = a[{ea + ma}] ^ b[{eb + mb}];
  wire [{top - 1}:0] v = (as * bs) << sh;
  wire signed [{top}:0] u = {{1'b0,v}}; wire signed [{top}:0] x = neg ? -u : u;
  always @(posedge clk) acc <= acc + x;
endmodule
"""


def accumulator_bits(a, b):
    if not a[1]:
        return a[0] + b[0] + LOG_PRODUCTS + 1
    return sum(2**e + m for _, e, m in (a, b)) + LOG_PRODUCTS - 1


def solved(matrix, right):
    """Gauss and Jordan, of a system that is positive definite."""
    rows = [list(row) + [value] for row, value in zip(matrix, right)]
    for i, pivot in enumerate(rows):
        pivot[:] = [value / pivot[i] for value in pivot]
        for row in rows:
            if row is not pivot:
                row[:] = [value - row[i] * other for value, other in zip(row, pivot)]
    return [row[-1] for row in rows]


def fit(rows, terms):
    """Least squares of relative error: coefficients of the terms, and the largest error."""
    scaled = [[term / luts for term in terms(a, b)] for a, b, luts in rows]
    columns = list(zip(*scaled))
    products = [[sum(x * y for x, y in zip(p, q)) for q in columns] for p in columns]
    coefficients = solved(products, [sum(column) for column in columns])
    return coefficients, max(abs(sum(c * x for c, x in zip(coefficients, row)) - 1) for row in scaled)


def fits_agree(rows):
    agree = True
    for which, chosen, terms in (
            ("kIntegers", [row for row in rows if not row[0][1]],
             lambda a, b: [a[0] * b[0], accumulator_bits(a, b)]),
            ("kFloats", [row for row in rows if row[0][1]],
             lambda a, b: [(a[2] + 1) * (b[2] + 1), accumulator_bits(a, b), 1])):
        coefficients, error = fit(chosen, terms)
        text = re.search(which + r" = \{(.*)\};", SOURCE.read_text(encoding="utf-8")).group(1)
        source = [float(value) for value in text.split(",")]
        same = all(abs(value - known) <= 0.0006 * abs(known) for value, known in zip(coefficients, source))
        agree = agree and same
        print(f"{which} {' '.join(f'{value:.4g}' for value in coefficients)}, within {100 * error:.1f} %"
              + ("" if same else f"   (the source has {text})"))
    return agree


def luts(a, b):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "mac.v"
        file.write_text(floats(a, b) if a[1] else integers(a, b), encoding="utf-8")
        out = subprocess.run(["yosys", "-p", f"read_verilog {file}; {PASSES}; stat"], check=True, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    counted = out[out.rindex("Printing statistics"):]
    return sum(int(count) for count in re.findall(r"^\s+LUT\d\s+(\d+)", counted, re.M))


def main():
    try:
        subprocess.run(["yosys", "-V"], check=True, stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        print("There is no yosys: deploy/install-dependencies.sh installs it.")
        sys.exit(77)
    rows = table()
    asked = sys.argv[1:] or list(rows)
    for unknown in set(asked) - set(rows):
        sys.exit(f"{unknown} is no row of {SOURCE}: give some of {', '.join(rows)}")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        measured = list(pool.map(lambda label: luts(*rows[label][:2]), asked))
    for label, count in zip(asked, measured):
        source = rows[label][2]
        print(f"{label} {count}" + ("" if count == source else f"   (the source has {source})"))
    agree = fits_agree(list(rows.values()))
    sys.exit(int(not agree or any(count != rows[label][2] for label, count in zip(asked, measured))))


if __name__ == "__main__":
    main()

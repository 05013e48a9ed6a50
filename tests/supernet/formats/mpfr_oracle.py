"""Compares `precis quantize` with MPFR on 100,000 values for each minifloat format with a mantissa: not one may
differ. MPFR rounds to nearest, ties to even, with the format's precision and subnormals; past the largest finite
value the result is clamped, as Precis saturates. (Without a mantissa bit the tie rules differ by definition.)

Usage: mpfr_oracle.py PRECIS"""

import random
import struct
import subprocess
import sys

import gmpy2

VALUES = 100_000


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def formats():
    """(name, exponent bits, mantissa bits, largest finite value)"""
    for bits in range(3, 9):
        for exponent in range(1, bits - 1):
            mantissa = bits - 1 - exponent
            bias = 2 ** (exponent - 1) - 1
            top = 2**exponent - 1
            full = 2.0 ** (top - bias) * (2 - 2.0**-mantissa)
            ocp = exponent == 5 and mantissa == 2
            yield f"e{exponent}m{mantissa}" + ("sat" if ocp else ""), exponent, mantissa, full
            yield f"e{exponent}m{mantissa}fn", exponent, mantissa, 2.0 ** (top - bias) * (2 - 2.0 ** (1 - mantissa))
            if exponent >= 2:
                largest = 2.0 ** (top - 1 - bias) * (2 - 2.0**-mantissa)
                yield f"e{exponent}m{mantissa}" + ("" if ocp else "ieee"), exponent, mantissa, largest
    yield "fp16", 5, 10, 65504.0
    yield "bf16", 8, 7, 2.0**127 * (2 - 2.0**-7)
    yield "tf32", 8, 10, 2.0**127 * (2 - 2.0**-10)


def inputs(generator, exponent, mantissa, largest):
    """FP32 values over the format's range and a little beyond, every fourth on a tie or next to one."""
    bias = 2 ** (exponent - 1) - 1
    low = max(-149, 1 - bias - mantissa - 2)
    high = min(127, gmpy2.frexp(largest)[0] + 1)
    values = []
    while len(values) < VALUES:
        scale = generator.randint(low, high)
        x = generator.uniform(1, 2) * 2.0**scale
        if len(values) % 4 == 0:
            step = 2.0 ** (max(scale, 1 - bias) - mantissa - 1)
            x = round(x / step) * step
            if len(values) % 8 == 0:
                x *= 1 + generator.choice((-1, 1)) * 2.0**-23
        if x < 2.0**128 * (1 - 2.0**-25):
            values.append(float32(x if generator.random() < 0.5 else -x))
    return values


def expected(values, exponent, mantissa, largest):
    bias = 2 ** (exponent - 1) - 1
    context = gmpy2.context(precision=mantissa + 1, emin=1 - bias - mantissa + 1, emax=2**20, subnormalize=True,
                            round=gmpy2.RoundToNearest)
    results = []
    with gmpy2.local_context(context):
        for x in values:
            rounded = float(gmpy2.mpfr(x))
            results.append(max(-largest, min(largest, rounded)))
    return results


def main():
    generator = random.Random(17)
    differences = checked = 0
    for name, exponent, mantissa, largest in formats():
        values = inputs(generator, exponent, mantissa, largest)
        text = "".join(f"{x:.9g}\n" for x in values)
        answer = subprocess.run([sys.argv[1], "quantize", "--format", name], input=text, capture_output=True,
                                text=True, check=True).stdout.split()
        wanted = expected(values, exponent, mantissa, largest)
        if len(answer) != len(wanted):
            print(f"{name}: {len(answer)} answers to {len(wanted)} values")
            return 1
        checked += len(wanted)
        for x, got, want in zip(values, answer, wanted):
            if float32(float(got)) != want:
                differences += 1
                if differences <= 10:
                    print(f"{name}: {x!r} gives {got}, MPFR says {want!r}")
    print(f"{checked} values, {differences} differences")
    return 1 if differences or checked < 30 * VALUES else 0


if __name__ == "__main__":
    sys.exit(main())

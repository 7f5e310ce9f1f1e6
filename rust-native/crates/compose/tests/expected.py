"""What a scene has to look like, computed without any of the program's code: plain Python, ITU-R BT.709-6, and
the rules that crates/scene states in words. Reads a job (JSON, the one argument) and writes I420 to its "out"."""

import json
import math
import sys


def even(value):
    return 2 * math.floor(value / 2 + 0.5)


def box_of(item, canvas, output):
    sx, sy = output[0] / canvas["width"], output[1] / canvas["height"]
    if abs(sx / sy - 1) >= 0.01:
        sx = sy = min(sx, sy)
    ox, oy = (output[0] - canvas["width"] * sx) / 2, (output[1] - canvas["height"] * sy) / 2
    left, right = even(ox + item["x"] * sx), even(ox + (item["x"] + item["width"]) * sx)
    top, bottom = even(oy + item["y"] * sy), even(oy + (item["y"] + item["height"]) * sy)
    return left, top, max(right - left, 2), max(bottom - top, 2)


def cut(length, a, b):
    start = min(math.floor(a * length + 0.5), length - 1)
    return start, max(length - start - math.floor(b * length + 0.5), 1)


def place(item, canvas, output, size):
    """-> (left, top, width, height) of the source, (x, y, width, height) in the output."""
    crop = item.get("crop", {})
    left, width = cut(size[0], crop.get("left", 0), crop.get("right", 0))
    top, height = cut(size[1], crop.get("top", 0), crop.get("bottom", 0))
    x, y, w, h = box_of(item, canvas, output)
    sideways = item.get("rotation", 0) in (90, 270)
    fit = item.get("fit", "contain")
    if fit == "cover":
        cw, ch = (h, w) if sideways else (w, h)
        if width * ch > height * cw:
            new = min(max(math.floor(height * cw / ch + 0.5), 1), width)
            left, width = left + (width - new) // 2, new
        else:
            new = min(max(math.floor(width * ch / cw + 0.5), 1), height)
            top, height = top + (height - new) // 2, new
    elif fit == "contain":
        pw, ph = (height, width) if sideways else (width, height)
        ew, eh = pw + pw % 2, ph + ph % 2
        if not ((ew == w and eh <= h) or (eh == h and ew <= w)):
            if pw * h >= ph * w:
                ew, eh = w, min(max(even(ph * w / pw), 2), h)
            else:
                ew, eh = min(max(even(pw * h / ph), 2), w), h
        x, y, w, h = x + ((w - ew) // 2 & ~1), y + ((h - eh) // 2 & ~1), ew, eh
    return (left, top, width, height), (x, y, w, h)


def yuv(r, g, b, a):
    """Premultiplied, the offsets too; limited range."""
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return (
        (219 * luma + 16 * a) / 255,
        (224 * (b - luma) / 1.8556 + 128 * a) / 255,
        (224 * (r - luma) / 1.5748 + 128 * a) / 255,
    )


def kernel(smaller):
    if not smaller:
        return lambda x: max(0.0, 1 - abs(x))

    def hamming(x):
        if x == 0:
            return 1.0
        if abs(x) >= 1:
            return 0.0
        return math.sin(math.pi * x) / (math.pi * x) * (0.54 + 0.46 * math.cos(math.pi * x))

    return hamming


def weights(source, target, weigh):
    """For each target sample: first source sample and weights. `source` may be a half."""
    scale = source / target
    wide = max(scale, 1.0)
    rows = []
    for index in range(target):
        centre = (index + 0.5) * scale
        first = max(0, math.floor(centre - wide + 0.5))
        last = min(math.ceil(source), math.floor(centre + wide + 0.5))
        row = [weigh((at - centre + 0.5) / wide) for at in range(first, last)]
        total = sum(row)
        rows.append((first, [value / total for value in row]))
    return rows


def resize(plane, source, target, weigh):
    """plane[y][x] of `source` (width, height) -> `target`."""
    across, down = weights(source[0], target[0], weigh), weights(source[1], target[1], weigh)
    flat = [[sum(row[at + i] * w for i, w in enumerate(ws)) for at, ws in across] for row in plane]
    return [
        [sum(flat[at + i][x] * w for i, w in enumerate(ws)) for x in range(target[0])] for at, ws in down
    ]


def turn(plane, degrees):
    for _ in range(degrees // 90):
        plane = [list(row) for row in zip(*plane[::-1])]
    return plane


def halve(plane, width, height):
    at = lambda x, y: plane[min(y, height - 1)][min(x, width - 1)]
    return [
        [sum(at(2 * x + i, 2 * y + j) for i in (0, 1) for j in (0, 1)) / 4 for x in range((width + 1) // 2)]
        for y in range((height + 1) // 2)
    ]


def draw(item, canvas, output, source, out):
    (left, top, width, height), (ox, oy, w, h) = place(item, canvas, output, (source["width"], source["height"]))
    data, stride = source["data"], 4 * source["width"]
    planes = [[], [], [], []]
    for y in range(top, top + height):
        rows = [[], [], [], []]
        for x in range(left, left + width):
            b, g, r, a = data[y * stride + 4 * x : y * stride + 4 * x + 4]
            a = a if source["alpha"] else 255
            for row, value in zip(rows, yuv(r, g, b, a) + (a,)):
                row.append(value)
        for plane, row in zip(planes, rows):
            plane.append(row)
    sideways = item.get("rotation", 0) in (90, 270)
    tw, th = (h, w) if sideways else (w, h)
    own = (width, height)
    while not source["alpha"] and own != (tw, th) and own[0] >= 2 * tw and own[1] >= 2 * th:
        # What is drawn at half its size or less is halved first.
        planes = [halve(plane, width, height) for plane in planes]
        width, height, own = (width + 1) // 2, (height + 1) // 2, (own[0] / 2, own[1] / 2)
    full, chroma = [planes[0], planes[3]], [planes[1], planes[2], planes[3]]
    if own == (tw, th) or (width + width % 2, height + height % 2) == (tw, th):
        repeat = lambda p: [[p[min(y, height - 1)][min(x, width - 1)] for x in range(tw)] for y in range(th)]
        luma, alpha = map(repeat, full)
        u, v, half = (halve(plane, width, height) for plane in chroma)
    else:
        weigh = kernel(tw < own[0] or th < own[1])
        if source["alpha"]:
            # Colours are scaled before they are converted: that is the same, both being linear.
            luma, alpha, big_u, big_v = (
                resize(plane, (width, height), (tw, th), weigh) for plane in full + chroma[:2]
            )
            u, v, half = (halve(plane, tw, th) for plane in (big_u, big_v, alpha))
        else:
            luma = resize(full[0], own, (tw, th), weigh)
            small = [halve(plane, width, height) for plane in chroma[:2]]
            u, v = (resize(plane, (own[0] / 2, own[1] / 2), (tw // 2, th // 2), weigh) for plane in small)
            alpha = [[255.0] * tw for _ in range(th)]
            half = [[255.0] * (tw // 2) for _ in range(th // 2)]
    key = item.get("chroma_key")
    if key:
        colour = [int(key["colour"][i : i + 2], 16) for i in (1, 3, 5)]
        _, key_u, key_v = yuv(*colour, 255)
        ramp = lambda d, width: 0.0 if d <= 0 else 1.0 if d >= width else d / width
        for y in range(th // 2):
            for x in range(tw // 2):
                straight = [min(255, value * 255 / half[y][x]) if half[y][x] else value for value in (u[y][x], v[y][x])]
                distance = math.hypot(straight[0] - key_u, straight[1] - key_v) / 255 - key["similarity"]
                share, stays = ramp(distance, key["smoothness"]), ramp(distance, key["spill"])
                half[y][x] *= share
                u[y][x], v[y][x] = ((128 + (value - 128) * stays) * half[y][x] / 255 for value in straight)
                for plane in (luma, alpha):
                    for j in (0, 1):
                        for i in (0, 1):
                            plane[2 * y + j][2 * x + i] *= share
    opacity = item.get("opacity", 1)
    turned = [turn(plane, item.get("rotation", 0)) for plane in (luma, u, v, alpha, half)]
    for index, shift in ((0, 0), (1, 1), (2, 1)):
        plane, cover = turned[index], turned[3 + shift]
        for y in range(h >> shift):
            for x in range(w >> shift):
                at_x, at_y = (ox >> shift) + x, (oy >> shift) + y
                if 0 <= at_y < len(out[index]) and 0 <= at_x < len(out[index][0]):
                    below = out[index][at_y][at_x]
                    seen = opacity * cover[y][x] / 255
                    out[index][at_y][at_x] = plane[y][x] * opacity + below * (1 - seen)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    for source in job["sources"].values():
        with open(source["file"], "rb") as file:
            source["data"] = file.read()
    width, height = job["output"]
    out = [
        [[16.0] * width for _ in range(height)],
        [[128.0] * (width // 2) for _ in range(height // 2)],
        [[128.0] * (width // 2) for _ in range(height // 2)],
    ]
    for item in job["scene"]["items"]:
        if item.get("visible", True):
            draw(item, job["scene"]["canvas"], job["output"], job["sources"][item["source"]], out)
    with open(job["out"], "wb") as file:
        for plane in out:
            for row in plane:
                file.write(bytes(min(255, max(0, math.floor(value + 0.5))) for value in row))


main()

// The planes of an image, laid out anew so that a convolution becomes sums of shifted planes.
//
// A plane is padded, and for strides split into phases: all pixels whose row and column leave the same remainders make a plane of
// their own. Then neighbouring outputs read neighbouring numbers whatever the stride; an output position is one number,
// q = row * pitch + column; and a cell of a kernel is a shift. At a few columns a window wraps around the end of a row: what
// is computed there is dropped.


// Which planes, of which source. As 64-bit integers in this order they come from Python (convolution.py).
struct Planes {
    int64 channels, height, width;  // of one group of the source
    int64 top, left;                // the pixel that is the planes' first: negative in the padding
    int64 phases_h, phases_w;
    int64 pitch;                    // from row to row
    int64 reach;                    // how many rows below its own an output reads
};

// Images, the groups of their channels, and how far it is from one to the next, in numbers: of the source, of the result.
struct Batch {
    int64 images, groups, from, to;
};

INLINE int64 up(int64 a, int64 b) { return (a + b - 1) / b; }  // a / b rounded up, for a >= 0

// The i with 0 <= origin + i * stride < size, among the first `room`.
struct Range {
    int64 first, end;
};

INLINE Range inside(int64 origin, int64 stride, int64 size, int64 room)
{
    const int64 first = origin < 0 ? up(-origin, stride) : 0, end = origin < size ? up(size - origin, stride) : 0;
    return {std::min(first, room), std::max(std::min(first, room), std::min(end, room))};
}

// One row of one phase, with `padding` where there is no pixel.
static void lay_row(const float* plane, const Planes& p, int64 row, int64 phase, float padding, float* to)
{
    const int64 origin = p.left + phase, stride = p.phases_w;
    const Range real = inside(origin, stride, row < 0 || row >= p.height ? 0 : p.width, p.pitch);
    const float* from = plane + row * p.width + origin;
    for (int64 j = 0; j < real.first; ++j) to[j] = padding;
    if (stride == 1) std::memcpy(to + real.first, from + real.first, (real.end - real.first) * sizeof(float));
    else if (stride == 2) for (int64 j = real.first; j < real.end; ++j) to[j] = from[2 * j];
    else for (int64 j = real.first; j < real.end; ++j) to[j] = from[stride * j];
    for (int64 j = real.end; j < p.pitch; ++j) to[j] = padding;
}

// What the outputs of `rows` rows from the row `first` on read: (channels, phases_h, phases_w, size), then zeros as far as a
// tile may read on.
static void lay(const float* source, const Planes& p, int64 first, int64 rows, int64 size, float* to, float padding = 0)
{
    for (int64 channel = 0; channel < p.channels; ++channel, source += p.height * p.width)
        for (int64 phase_h = 0; phase_h < p.phases_h; ++phase_h)
            for (int64 phase_w = 0; phase_w < p.phases_w; ++phase_w, to += size)
                for (int64 row = 0; row < rows + p.reach; ++row)
                    lay_row(source, p, p.top + phase_h + (first + row) * p.phases_h, phase_w, padding, to + row * p.pitch);
    std::memset(to, 0, (p.pitch + VECTORS * LANES) * sizeof(float));
}

INLINE int64 count(const Planes& p) { return p.channels * p.phases_h * p.phases_w; }

// From plane to plane, for this many rows of outputs. Not a multiple of a page: the same place on many planes would compete
// for the same few lines of the cache.
INLINE int64 plane_size(const Planes& p, int64 rows)
{
    const int64 size = up((rows + p.reach) * p.pitch, 16) * 16;
    return size % 256 ? size : size + 16;
}

INLINE int64 room(const Planes& p, int64 rows) { return count(p) * plane_size(p, rows) + p.pitch + VECTORS * LANES; }

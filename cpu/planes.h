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

INLINE int64 numbers(const Planes& p) { return p.channels * p.height * p.width; }  // of the source

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

// Copies whole registers, as far as that reads nothing from `end` on; up to LANES numbers are written beyond the last.
INLINE void copy(const float* from, int64 number, const float* end, float* to)
{
    int64 i = 0;
    for (; i < number && end - from >= i + LANES; i += LANES) store(to + i, load(from + i));
    if (i < number) store(to + i, load_row(from + i, number - i, 0));
}

// `number` pixels of a row from p.left on, with `padding` where there is none; up to LANES numbers are written beyond.
INLINE void lay_pixels(const float* plane, const Planes& p, int64 row, float padding, int64 number, float* to)
{
    const bool real = row >= 0 && row < p.height;
    for (int64 j = 0; j < number; j += LANES)
        store(to + j, real ? load_within(plane + row * p.width, p.left + j, p.width, padding) : Lanes{} + padding);
}

// Pixels side by side -> their phases, `size` apart, of so many numbers; up to LANES are written beyond each.
template <int PHASES>
INLINE void split(const float* pixels, int64 number, float* to, int64 size)
{
    for (int64 j = 0; j < number; j += LANES) {
        Lanes phase[PHASES];
        in_phases(pixels + j * PHASES, phase);
        for (int i = 0; i < PHASES; ++i) store(to + i * size + j, phase[i]);
    }
}

// A row of pixels -> its phases, `size` apart; up to LANES numbers are written beyond each.
INLINE void lay_phases(const Planes& p, const float* pixels, int64 size, float* to)
{
    if (p.phases_w == 2) split<2>(pixels, p.pitch, to, size);
    else if (p.phases_w == 4) split<4>(pixels, p.pitch, to, size);
    else
        for (int64 phase = 0; phase < p.phases_w; ++phase)
            for (int64 j = 0; j < p.pitch; ++j) to[phase * size + j] = pixels[j * p.phases_w + phase];
}

// The same for a row that is read where it lies, with what lies around it (so not at the source's ends); then padding where there
// are no pixels.
INLINE void lay_phases_there(const Planes& p, const float* row, int64 size, float padding, float* to)
{
    lay_phases(p, row + p.left, size, to);
    const int64 number = p.phases_w * p.pitch;
    const Range real = inside(p.left, 1, p.width, number);
    const auto pad = [&](int64 j) { to[j % p.phases_w * size + j / p.phases_w] = padding; };
    for (int64 j = 0; j < real.first; ++j) pad(j);
    for (int64 j = real.end; j < number; ++j) pad(j);
}

// The pixels of row `y` -> its phases: from where they lie, if all that is read with them is between `begin` and `end`; else by way of
// `laid`, where there is room for them and for LANES more of each phase.
INLINE void lay_row(
    const float* plane, const float* begin, const float* end, const Planes& p, int64 y, float padding, float* laid, int64 size, float* to)
{
    const int64 number = p.phases_w * p.pitch, at = plane - begin + y * p.width + p.left;
    if (y >= 0 && y < p.height && at >= 0 && at + number + p.phases_w * LANES <= end - begin)
        return lay_phases_there(p, plane + y * p.width, size, padding, to);
    lay_pixels(plane, p, y, padding, number, laid);
    lay_phases(p, laid, size, to);
}

// How much padding a row begins with: it ends the row before as well (_pitch of plans.py).
INLINE int64 padding_before(const Planes& p) { return up(std::max<int64>(0, -p.left), p.phases_w); }

// What the outputs of `rows` rows from the row `first` on read: (channels, phases_h, phases_w, size), then zeros as far as a
// tile may read on. `end`: of what may be read behind the source.
static void lay(
    const float* source, const float* end, const Planes p, int64 first, int64 rows, int64 size, float* to, float padding = 0)
{
    static thread_local std::vector<float> pixels;
    const int64 area = p.height * p.width, number = p.phases_w * p.pitch, most = number + p.phases_w * LANES;
    if (static_cast<int64>(pixels.size()) < most) pixels.resize(most);
    float* const laid = pixels.data();
    const float* const begin = source;
    const int64 lowest = std::max<int64>(0, p.top + first * p.phases_h), highest = std::min(p.height, p.top + (first + rows + p.reach) * p.phases_h);
    for (int64 channel = 0; channel < p.channels; ++channel, source += area) {
        fetch<0>(source + area + lowest * p.width, (highest - lowest) * p.width);
        for (int64 phase_h = 0; phase_h < p.phases_h; ++phase_h, to += p.phases_w * size) {
            for (int64 row = 0; row < rows + p.reach; ++row) {
                const int64 y = p.top + phase_h + (first + row) * p.phases_h;
                float* here = to + row * p.pitch;
                if (p.phases_w == 1) lay_pixels(source, p, y, padding, number, here);
                else lay_row(source, begin, end, p, y, padding, laid, size, here);
            }
            for (int64 phase = 0; phase < p.phases_w; ++phase)
                std::fill_n(to + phase * size + (rows + p.reach) * p.pitch, padding_before(p), padding);
        }
    }
    std::memset(to, 0, (p.pitch + VECTORS * LANES) * sizeof(float));
}

INLINE int64 count(const Planes& p) { return p.channels * p.phases_h * p.phases_w; }

// From plane to plane, for this many rows of outputs and what is written beyond them. Not a multiple of a page: the same place
// on many planes would compete for the same few lines of the cache.
INLINE int64 plane_size(const Planes& p, int64 rows)
{
    const int64 size = up((rows + p.reach) * p.pitch + std::max<int64>(LANES, padding_before(p)), 16) * 16;
    return size % 256 ? size : size + 16;
}

INLINE int64 room(const Planes& p, int64 rows) { return count(p) * plane_size(p, rows) + p.pitch + VECTORS * LANES; }

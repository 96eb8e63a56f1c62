// Convolutions with stride 1 over images that are mostly 0, as they are under gates that have closed, and as signals are below maxima.
// Only pixels that are not 0 have a part in the sums. There are two ways: each of them is sent to the sums in which it has a part
// (scatter.h), or sums gather what they see, of several targets at once (gather.h). In both registers hold neighbouring output channels.

// Planes, the kernel that slides over them, and where it begins. As 64-bit integers in this order they come from Python.
struct Slide {
    int64 height, width, kernel_h, kernel_w, top, left, rows, columns;
};

constexpr int64 LOOKS = 256;  // registers of an image that are looked at to see how many pixels are 0

// Images that are alike: the first one, how many there are, and how far it is from one to the next.
struct Group {
    int64 image, targets, apart;
};

// A bit for each of some pixels that is not 0 in any of the targets' images, `apart` from each other.
INLINE unsigned any_nonzero(const float* pixels, int64 targets, int64 apart)
{
    unsigned found = 0;
    for (int64 t = 0; t < targets; ++t) found |= nonzero(load(pixels + t * apart));
    return found;
}

// Whether at most so many of a thousand pixels are not 0, by what is seen of them.
static bool mostly_zero(const Source* sources, const Products& p, const Group& group, int64 most)
{
    int64 seen = 0, found = 0;
    for (const Source* source = sources; source < sources + p.sources; ++source) {
        const int64 size = source->channels * p.pixels, step = up(size, LOOKS * LANES) * LANES;
        const float* own = source->numbers + group.image * source->apart;
        for (int64 i = 0; i + LANES <= size; i += step, seen += LANES)
            found += __builtin_popcount(any_nonzero(own + i, group.targets, group.apart * source->apart));
    }
    return seen > 0 && 1000 * found <= most * seen;
}

// Positions by channels -> channels by positions: of so many registers, the halves are taken in turn until all is in its place.
INLINE void transpose(Lanes (&a)[LANES])
{
    Lanes b[LANES];
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; ++i) b[2 * i] = in_turn<0>(a[i], a[i + LANES / 2]), b[2 * i + 1] = in_turn<1>(a[i], a[i + LANES / 2]);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) a[i] = b[i];
    }
}

// A register of a bank's channels, from the one numbered `channel` on, of `number` neighbouring outputs of an image to their places. `first`:
// the first one's, of `outputs`.
INLINE void put_outputs(
    Lanes (&sums)[LANES], int64 number, const Work& work, const Bank& bank, int64 channel, int64 image, int64 first, int64 outputs)
{
    const Finish last = work.last ? *work.last : Finish{};
    const Place there(last, image, bank.apart);
    for (int64 j = number; j < LANES; ++j) sums[j] = Lanes{};
    transpose(sums);
    for (int64 r = 0; r < std::min<int64>(LANES, bank.outputs - channel); ++r) {
        const Lanes done[1] = {with_bias(sums[r], bank.bias ? bank.bias[channel + r] : 0, bank.rectified)};
        const int64 at = (channel + r) * outputs + first;
        if (number == LANES) {
            finish(last, there + at, done, bank.result);
            continue;
        }
        float lane[LANES];
        store(lane, done[0]);
        finish(&last, image, bank.apart, at, number, lane, bank.result);
    }
}

// Some neighbouring channels of a bank: so many registers, from one on.
struct Block {
    const Bank* bank;
    int64 channel;
    int registers;
};

constexpr int64 narrower(int64 registers) { return registers == 3 ? 2 : registers / 2; }

// All channels of all results, `widest` registers at a time, or fewer of those narrower ones that there are.
INLINE std::vector<Block> find_blocks(const Work& work, int64 widest)
{
    std::vector<Block> blocks;
    for (const Bank* bank = work.banks; bank < work.banks + (work.p.sum ? 1 : work.p.banks); ++bank)
        for (int64 channel = 0, left; (left = up(bank->outputs - channel, LANES)) > 0; channel += blocks.back().registers * LANES) {
            int64 registers = widest;
            while (registers > left) registers = narrower(registers);
            blocks.push_back({bank, channel, static_cast<int>(registers)});
        }
    return blocks;
}

// What `multiply` does, for any kernel, over the images of which at most `most` of a thousand pixels are not 0. If there are others, the
// function `otherwise` works on all images before, since it cannot leave some out. There are `targets` images that are alike, of each as
// many; there is one group of channels. `way`: of the work on such a group of images.
template <typename Way>
static void sparse(
    const Source* sources, const Bank* banks, const Products& p, const Finish* last, int64 targets, int64 most, Asked otherwise,
    const int64* arguments, const Way& way)
{
    const int64 apart = targets > 0 ? p.images / targets : 0;
    std::vector<int64> images;
    for (int64 image = 0; image < apart; ++image)
        if (mostly_zero(sources, p, {image, targets, apart}, most)) images.push_back(image);
    if (static_cast<int64>(images.size()) < apart) otherwise(0, arguments);
    const Work work = {p, sources, banks, last, 0};
    for (const int64 image : images) way(work, Group{image, targets, apart});
}

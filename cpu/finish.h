// What becomes of finished sums while they are still near, on the way back: the part that has already arrived, and the ReLU below.
//
//     result = (onto + times * sum) * [where > 0]         each of them may be null: it then has no part in it

// As 64-bit integers in this order they come from Python. `onto` has the result's shape; the others begin anew with every
// `images` images, since several targets share them.
struct Finish {
    const float *onto, *times, *where;
    int64 images = 1;
};

// What `finish` will need, before its turn: it often comes from far.
INLINE void fetch_for(const Finish* f, int64 image, int64 size, int64 first, int64 number, const float* result)
{
    fetch<1>(result + image * size + first, number);
    if (!f) return;
    const int64 shared = image % f->images * size + first;
    if (f->onto) fetch<0>(f->onto + image * size + first, number);
    if (f->times) fetch<0>(f->times + shared, number);
    if (f->where) fetch<0>(f->where + shared, number);
}

// Where some numbers of an image lie: in the result, and in what targets share.
struct Place {
    int64 own, shared;

    Place(const Finish& f, int64 image, int64 size) : own(image * size), shared(image % f.images * size) {}
    Place(int64 own, int64 shared) : own(own), shared(shared) {}
    Place operator+(int64 numbers) const { return {own + numbers, shared + numbers}; }
};

// What becomes of a register of sums, of which the first `number` count.
INLINE Lanes finished(const Finish& f, Place there, Lanes sums, int64 number)
{
    if (f.times) sums = rounded(sums * load_row(f.times + there.shared, number, 0));
    if (f.onto) sums = load_row(f.onto + there.own, number, 0) + sums;
    if (f.where) sums *= load_row(f.where + there.shared, number, 0) > 0 ? Lanes{} + 1.0f : Lanes{};
    return sums;
}

// A few registers of neighbouring numbers of an image.
template <int V>
INLINE void finish(const Finish& f, Place there, const Lanes (&sums)[V], float* result)
{
    for (int v = 0; v < V; ++v) store(result + there.own + v * LANES, finished(f, there + v * LANES, sums[v], LANES));
}

// Any number of them, from the one numbered `first` on. `size`: of an image.
INLINE void finish(const Finish* f, int64 image, int64 size, int64 first, int64 number, const float* sums, float* result)
{
    const Finish last = f ? *f : Finish{};
    const Place there = Place(last, image, size) + first;
    for (int64 i = 0; i < number; i += LANES) {
        const int64 room = number - i;
        put_part(finished(last, there + i, load_row(sums + i, room, 0), room), room, result + there.own + i);
    }
}

// The same for sums that are where they belong.
INLINE void finish(const Finish* f, int64 image, int64 size, int64 first, int64 number, float* result)
{
    if (f) finish(f, image, size, first, number, result + image * size + first, result);
}

// What becomes of finished sums while they are still near, on the way back: the part that has already arrived, and the ReLU below.
//
//     result = (onto + times * sum) * [where > 0]         each of them may be null: it then has no part in it

// As 64-bit integers in this order they come from Python. `onto` has the result's shape; the others begin anew with every
// `images` images, since several targets share them.
struct Finish {
    const float *onto, *times, *where;
    int64 images = 1;
};

// Some numbers fetched before their turn: to be read, or to be written.
template <int written, typename Number>
INLINE void fetch(const Number* numbers, int64 size)
{
    for (int64 i = 0; i < size; i += 64 / int64(sizeof(Number))) __builtin_prefetch(numbers + i, written);
}

// What `finish` will need, before its turn: it often comes from far.
INLINE void fetch_for(const Finish* f, int64 image, int64 size, int64 first, int64 number, const float* result)
{
    if (!f) return;
    fetch<1>(result + image * size + first, number);
    const int64 shared = image % f->images * size + first;
    if (f->onto) fetch<0>(f->onto + image * size + first, number);
    if (f->times) fetch<0>(f->times + shared, number);
    if (f->where) fetch<0>(f->where + shared, number);
}

// Some neighbouring numbers of an image, from the one numbered `first` on, of which there are `sums`. `size`: of an image.
INLINE void finish(const Finish* f, int64 image, int64 size, int64 first, int64 number, float* sums, float* result)
{
    float* there = result + image * size + first;
    if (f) {
        const int64 shared = image % f->images * size + first;
        if (f->times) for (int64 i = 0; i < number; ++i) sums[i] *= f->times[shared + i];
        if (f->onto) for (int64 i = 0; i < number; ++i) sums[i] = f->onto[image * size + first + i] + sums[i];
        if (f->where) for (int64 i = 0; i < number; ++i) sums[i] *= f->where[shared + i] > 0 ? 1.0f : 0.0f;
    }
    if (sums != there) std::memcpy(there, sums, number * sizeof(float));
}

// Where some numbers of an image lie: in the result, and in what targets share.
struct Place {
    int64 own, shared;

    Place(const Finish& f, int64 image, int64 size) : own(image * size), shared(image % f.images * size) {}
    Place(int64 own, int64 shared) : own(own), shared(shared) {}
    Place operator+(int64 numbers) const { return {own + numbers, shared + numbers}; }
};

// The same for a few registers of an image's numbers.
template <int V>
INLINE void finish(const Finish& f, Place there, const Lanes (&sums)[V], float* result)
{
    for (int v = 0; v < V; ++v) {
        Lanes sum = sums[v];
        if (f.times) sum = rounded(sum * load(f.times + there.shared + v * LANES));
        if (f.onto) sum = load(f.onto + there.own + v * LANES) + sum;
        if (f.where) sum *= load(f.where + there.shared + v * LANES) > 0 ? Lanes{} + 1.0f : Lanes{};
        store(result + there.own + v * LANES, sum);
    }
}

// The same for sums that are where they belong.
INLINE void finish(const Finish* f, int64 image, int64 size, int64 first, int64 number, float* result)
{
    finish(f, image, size, first, number, result + image * size + first, result);
}

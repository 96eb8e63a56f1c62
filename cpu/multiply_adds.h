// Nothing but multiply-adds over registers, on all threads: as many as the cores can do, which all else is measured against.

constexpr int CHAINS = ROWS * VECTORS;  // sums that do not wait for each other: as many as a tile has

constexpr int64 OPERATIONS = 2 * CHAINS * LANES;  // of a thread's round

// `sums`: one for each thread, so that no compiler leaves anything out.
static void multiply_adds(int64 rounds, float* sums)
{
#pragma omp parallel
    {
        const Normals only;
        const Lanes factor = Lanes{} + 0.5f, more = Lanes{} + 1.0f;
        Lanes chain[CHAINS] = {};
        for (int64 round = 0; round < rounds; ++round)
#pragma GCC unroll 24
            for (int i = 0; i < CHAINS; ++i) chain[i] = rounded(chain[i] * factor + more);
        Lanes sum{};
        for (int i = 0; i < CHAINS; ++i) sum += chain[i];
        sums[omp_get_thread_num()] = total(sum);
    }
}

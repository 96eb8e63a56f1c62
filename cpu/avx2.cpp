// 16 registers of 8 numbers: 12 hold a tile.
#include "common.h"
#pragma GCC target("arch=x86-64-v3")
#define ENGINE avx2
#define LANES 8
#define ROWS 4
#define VECTORS 3
#include "engine.h"

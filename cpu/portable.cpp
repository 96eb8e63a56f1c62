// What every processor has: 4 numbers at a time.
#include "common.h"
#define ENGINE portable
#define LANES 4
#define ROWS 4
#define VECTORS 3
#include "engine.h"

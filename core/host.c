#include "host.h"

Host host;

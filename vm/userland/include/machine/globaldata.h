#ifndef _CPU_GLOBALDATA_H_
#define _CPU_GLOBALDATA_H_

#include <sys/globaldata.h>

#endif

/* The stack as the kernel's debugger prints it, where the host can tell. */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#include "ul_abi.h"

#if defined(__has_include)
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#define HAVE_BACKTRACE
#endif
#endif

#define MAXFRAMES	32
#define OWN_FRAMES	3	/* this, print_backtrace and panic */

void
ul_host_backtrace(void)
{
#ifdef HAVE_BACKTRACE
	void *frames[MAXFRAMES];
	char line[256];
	Dl_info info;
	int count, length, n;

	count = (int)backtrace(frames, MAXFRAMES);
	for (n = OWN_FRAMES; n < count; ++n) {
		if (dladdr(frames[n], &info) == 0 || info.dli_sname == NULL)
			continue;
		length = snprintf(line, sizeof(line), "%s() at %s+0x%lx %p \n",
		    info.dli_sname, info.dli_sname,
		    (unsigned long)((uintptr_t)frames[n] -
		    (uintptr_t)info.dli_saddr), frames[n]);
		if (length > 0 && length < (int)sizeof(line))
			ul_host_console(line, (unsigned long)length);
	}
#endif
}

/* Reads where nothing is. */
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>

static int
event(module_t mod, int type, void *arg)
{
	(void)mod;
	(void)arg;
	switch (type) {
	case MOD_LOAD:
		kprintf("traps: about to\n");
		__asm __volatile("movl 0x18, %%eax" ::: "eax", "memory");
		break;
	case MOD_UNLOAD:
		kprintf("traps: bye\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "traps", event, NULL };
DECLARE_MODULE(traps, data, SI_SUB_PSEUDO, SI_ORDER_ANY);

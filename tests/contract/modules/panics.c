/* Panics. */
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>

/* Found in the memory of a machine that died; whole only once it is loaded. */
static volatile char block[] = "contract-block-?";

static int
event(module_t mod, int type, void *arg)
{
	int value = 0;

	(void)mod;
	(void)arg;
	switch (type) {
	case MOD_LOAD:
		kgetenv_int("contract.value", &value);
		block[15] = (char)('0' + value);
		kprintf("panics: about to\n");
		panic("deliberate panic %d", value);
		break;
	case MOD_UNLOAD:
		kprintf("panics: bye\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "panics", event, NULL };
DECLARE_MODULE(panics, data, SI_SUB_PSEUDO, SI_ORDER_ANY);

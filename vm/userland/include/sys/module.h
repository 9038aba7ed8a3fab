#ifndef _SYS_MODULE_H_
#define _SYS_MODULE_H_

#include <sys/types.h>

typedef enum modeventtype {
	MOD_LOAD,
	MOD_UNLOAD,
	MOD_SHUTDOWN
} modeventtype_t;

typedef struct module *module_t;
typedef int (*modeventhand_t)(module_t, int, void *);

typedef struct moduledata {
	const char	*name;
	modeventhand_t	evhand;
	void		*priv;
} moduledata_t;

/* What the loader finds in a module, by the name ul_module. */
struct ul_module {
	const char	*name;
	const moduledata_t *data;
};

#define DECLARE_MODULE(name, data, sub, order)				\
	enum { ul_module_sub_ ## name = (sub),				\
	    ul_module_order_ ## name = (order) };			\
	__attribute__((__visibility__("default"), __used__))		\
	const struct ul_module ul_module = { #name, &data }

#define MODULE_VERSION(module, version)					\
	enum { ul_module_version_ ## module = (version) }

#define MODULE_DEPEND(module, on, low, preferred, high)			\
	enum { ul_module_depend_ ## module ## _ ## on = (preferred) }

#endif

/* The order of events: take over the tables, do what hostile.txt says, start NEXT.EFI. */
#include "hostile.h"

struct efi_boot_services firmware;
struct efi_system_table *efi_system;
efi_handle own_image;

efi_status efi_main(efi_handle image, struct efi_system_table *system);

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
    efi_uint bytes;
    char *script;

    own_image = image;
    efi_system = system;
    memcpy(&firmware, system->boot_services, sizeof(firmware));
    script = read_file(u"\\hostile.txt", &bytes);
    if (script == NULL) {
        give_up("there is no hostile.txt");
    }
    say("HOSTILE firmware: %d free pages", map_free_pages());
    services_install();
    script_run(script);
    next_start();
}

/*
 * The part of UEFI that the EFI stage calls: 64-bit layouts, calling convention ms_abi.
 * Source: UEFI specification 2.10; sections are named at each structure.
 */
#ifndef ABI_EFI_H
#define ABI_EFI_H

#include <stddef.h>
#include <stdint.h>

#define EFIAPI __attribute__((ms_abi))

typedef uint64_t efi_status;
typedef void *efi_handle;
typedef uint16_t efi_char;

/* Appendix D. */
#define EFI_ERROR_BIT          0x8000000000000000ULL
#define EFI_SUCCESS            0ULL
#define EFI_LOAD_ERROR         (EFI_ERROR_BIT | 1)
#define EFI_INVALID_PARAMETER  (EFI_ERROR_BIT | 2)
#define EFI_UNSUPPORTED        (EFI_ERROR_BIT | 3)
#define EFI_OUT_OF_RESOURCES   (EFI_ERROR_BIT | 9)
#define EFI_NOT_FOUND          (EFI_ERROR_BIT | 14)
#define EFI_ABORTED            (EFI_ERROR_BIT | 21)
#define EFI_SECURITY_VIOLATION (EFI_ERROR_BIT | 26)

struct efi_guid {
    uint32_t a;
    uint16_t b;
    uint16_t c;
    uint8_t d[8];
};
_Static_assert(sizeof(struct efi_guid) == 16, "appendix A");

struct efi_table_header {
    uint64_t signature;
    uint32_t revision;
    uint32_t header_bytes;
    uint32_t crc32;
    uint32_t reserved;
};
_Static_assert(sizeof(struct efi_table_header) == 24, "section 4.2");

/* Section 12.4 */
struct efi_text_output {
    efi_status(EFIAPI *reset)(struct efi_text_output *self, uint8_t extended);
    efi_status(EFIAPI *output_string)(struct efi_text_output *self, const efi_char *text);
    void *rest[8];
};
_Static_assert(sizeof(struct efi_text_output) == 80, "section 12.4");

/* Section 7.2.1 */
enum efi_allocate_type {
    EFI_ALLOCATE_ANY,
    EFI_ALLOCATE_MAX_ADDRESS, /* in: the last address allowed */
    EFI_ALLOCATE_ADDRESS,
};
#define EFI_LOADER_CODE 1
#define EFI_LOADER_DATA 2

/* Section 4.4 */
struct efi_boot_services {
    struct efi_table_header header;
    void *raise_tpl;
    void *restore_tpl;
    efi_status(EFIAPI *allocate_pages)(uint32_t how, uint32_t type, uint64_t pages,
                                       uint64_t *address);
    efi_status(EFIAPI *free_pages)(uint64_t address, uint64_t pages);
    efi_status(EFIAPI *get_memory_map)(uint64_t *map_bytes, void *map, uint64_t *key,
                                       uint64_t *descriptor_bytes, uint32_t *descriptor_version);
    void *allocate_pool;
    void *free_pool;
    void *events[6];
    void *protocol_interfaces[3];
    efi_status(EFIAPI *handle_protocol)(efi_handle handle, const struct efi_guid *protocol,
                                        void **interface);
    void *reserved;
    void *register_protocol_notify;
    void *locate_handle;
    void *locate_device_path;
    void *install_configuration_table;
    void *load_image;
    void *start_image;
    efi_status(EFIAPI *exit)(efi_handle image, efi_status status, uint64_t data_bytes,
                             const efi_char *data);
    void *unload_image;
    efi_status(EFIAPI *exit_boot_services)(efi_handle image, uint64_t key);
    void *get_next_monotonic_count;
    efi_status(EFIAPI *stall)(uint64_t microseconds);
    efi_status(EFIAPI *set_watchdog_timer)(uint64_t seconds, uint64_t code, uint64_t data_bytes,
                                           const efi_char *data);
    void *driver_support[2];
    void *open_close_protocol[3];
    void *library[2];
    efi_status(EFIAPI *locate_protocol)(const struct efi_guid *protocol, void *registration,
                                        void **interface);
};
_Static_assert(offsetof(struct efi_boot_services, allocate_pages) == 40, "section 4.4");
_Static_assert(offsetof(struct efi_boot_services, get_memory_map) == 56, "section 4.4");
_Static_assert(offsetof(struct efi_boot_services, handle_protocol) == 152, "section 4.4");
_Static_assert(offsetof(struct efi_boot_services, exit) == 216, "section 4.4");
_Static_assert(offsetof(struct efi_boot_services, exit_boot_services) == 232, "section 4.4");
_Static_assert(offsetof(struct efi_boot_services, locate_protocol) == 320, "section 4.4");

/* Section 4.5 */
struct efi_runtime_services {
    struct efi_table_header header;
    void *time[4];
    void *set_virtual_address_map;
    void *convert_pointer;
    efi_status(EFIAPI *get_variable)(const efi_char *name, const struct efi_guid *vendor,
                                     uint32_t *attributes, uint64_t *data_bytes, void *data);
    void *get_next_variable_name;
    void *set_variable;
    void *get_next_high_monotonic_count;
    efi_status(EFIAPI *reset_system)(uint32_t type, efi_status status, uint64_t data_bytes,
                                     void *data);
};
_Static_assert(offsetof(struct efi_runtime_services, get_variable) == 72, "section 4.5");
_Static_assert(offsetof(struct efi_runtime_services, reset_system) == 104, "section 4.5");

/* Section 8.5.1 */
#define EFI_RESET_COLD     0
#define EFI_RESET_SHUTDOWN 2

/* Section 4.6 */
struct efi_configuration_table {
    struct efi_guid vendor;
    uint64_t table_pa;
};
_Static_assert(sizeof(struct efi_configuration_table) == 24, "section 4.6");

/* Section 4.3 */
struct efi_system_table {
    struct efi_table_header header;
    const efi_char *vendor;
    uint32_t revision;
    uint32_t pad;
    efi_handle console_in_handle;
    void *console_in;
    efi_handle console_out_handle;
    struct efi_text_output *console_out;
    efi_handle standard_error_handle;
    struct efi_text_output *standard_error;
    struct efi_runtime_services *runtime;
    struct efi_boot_services *boot;
    uint64_t table_count;
    const struct efi_configuration_table *tables;
};
_Static_assert(sizeof(struct efi_system_table) == 120, "section 4.3");

/* Section 9.1 */
struct efi_loaded_image {
    uint32_t revision;
    efi_handle parent;
    struct efi_system_table *system_table;
    efi_handle device; /* NULL when loaded from a buffer */
    struct efi_device_path *file_path;
    void *reserved;
    uint32_t load_options_bytes;
    const void *load_options;
    const void *image;
    uint64_t image_bytes;
    uint32_t code_type;
    uint32_t data_type;
    void *unload;
};
_Static_assert(sizeof(struct efi_loaded_image) == 96, "section 9.1");

/* Section 10.3.1; and 10.3.5.4 for a file's path, whose text follows the header. */
struct efi_device_path {
    uint8_t type;
    uint8_t subtype;
    uint8_t bytes[2]; /* little-endian, of the whole node */
};
#define EFI_DEVICE_PATH_MEDIA     4
#define EFI_DEVICE_PATH_FILE_PATH 4

/* Sections 13.4 and 13.5 */
#define EFI_FILE_MODE_READ 1ULL
struct efi_file {
    uint64_t revision;
    efi_status(EFIAPI *open)(struct efi_file *self, struct efi_file **out, const efi_char *name,
                             uint64_t mode, uint64_t attributes);
    efi_status(EFIAPI *close)(struct efi_file *self);
    void *delete;
    efi_status(EFIAPI *read)(struct efi_file *self, uint64_t *bytes, void *buffer);
    void *write;
    efi_status(EFIAPI *get_position)(struct efi_file *self, uint64_t *position);
    efi_status(EFIAPI *set_position)(struct efi_file *self, uint64_t position);
    void *rest[3];
};
_Static_assert(offsetof(struct efi_file, set_position) == 56, "section 13.5");
#define EFI_FILE_POSITION_END 0xffffffffffffffffULL

struct efi_file_system {
    uint64_t revision;
    efi_status(EFIAPI *open_volume)(struct efi_file_system *self, struct efi_file **root);
};

/* Section 12.9 */
enum efi_pixel_format {
    EFI_PIXEL_RGBX8,
    EFI_PIXEL_BGRX8,
    EFI_PIXEL_MASKS,
    EFI_PIXEL_BLT_ONLY,
};
struct efi_graphics_info {
    uint32_t version;
    uint32_t width;
    uint32_t height;
    uint32_t format;
    uint32_t red_mask;
    uint32_t green_mask;
    uint32_t blue_mask;
    uint32_t reserved_mask;
    uint32_t pixels_per_line;
};
_Static_assert(sizeof(struct efi_graphics_info) == 36, "section 12.9");
struct efi_graphics_mode {
    uint32_t modes;
    uint32_t mode;
    const struct efi_graphics_info *info;
    uint64_t info_bytes;
    uint64_t frame_pa;
    uint64_t frame_bytes;
};
_Static_assert(sizeof(struct efi_graphics_mode) == 40, "section 12.9");
struct efi_graphics {
    void *query_mode;
    void *set_mode;
    void *blt;
    const struct efi_graphics_mode *mode;
};

/* Sections 9.1, 12.9, 13.4, 4.6, 3.3 */
#define EFI_LOADED_IMAGE_GUID                                                                      \
    {                                                                                              \
        0x5b1b31a1, 0x9562, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }
#define EFI_GRAPHICS_GUID                                                                          \
    {                                                                                              \
        0x9042a9de, 0x23dc, 0x4a38,                                                                \
        {                                                                                          \
            0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a                                         \
        }                                                                                          \
    }
#define EFI_FILE_SYSTEM_GUID                                                                       \
    {                                                                                              \
        0x964e5b22, 0x6459, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }
#define EFI_GLOBAL_VARIABLE_GUID                                                                   \
    {                                                                                              \
        0x8be4df61, 0x93ca, 0x11d2,                                                                \
        {                                                                                          \
            0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c                                         \
        }                                                                                          \
    }

#endif

/*
 * The part of the Unified Extensible Firmware Interface that the hostile firmware program uses.
 * Layouts only. Source: UEFI Specification 2.10, the section is named at each. Pointers to
 * functions that nobody here calls are `void *`.
 */
#ifndef UEFI_H
#define UEFI_H

#include <stddef.h>
#include <stdint.h>

/* Section 2.3.1, "Data Types"; the calling convention is the compiler's own for this target. */
typedef uintptr_t efi_uint;
typedef efi_uint efi_status;
typedef void *efi_handle;
typedef uint16_t efi_char16;

struct efi_guid {
    uint32_t data1;
    uint16_t data2;
    uint16_t data3;
    uint8_t data4[8];
};

#if UINTPTR_MAX == UINT64_MAX
#define EFI_SIZE(size64, size32) (size64)
#else
#define EFI_SIZE(size64, size32) (size32)
#endif

/* Appendix D, "Status Codes": an error has the highest bit set. */
#define EFI_ERROR_BIT         ((efi_status)1 << (sizeof(efi_status) * 8 - 1))
#define EFI_SUCCESS           ((efi_status)0)
#define EFI_INVALID_PARAMETER (EFI_ERROR_BIT | 2)
#define EFI_BUFFER_TOO_SMALL  (EFI_ERROR_BIT | 5)
#define EFI_OUT_OF_RESOURCES  (EFI_ERROR_BIT | 9)
#define EFI_NOT_FOUND         (EFI_ERROR_BIT | 14)

static inline int efi_failed(efi_status status)
{
    return (status & EFI_ERROR_BIT) != 0;
}

#define EFI_PAGE_BYTES ((uint64_t)4096)

/* --- section 7.2, "Memory Allocation Services" ------------------------------------------------ */
enum efi_allocate_type {
    EFI_ALLOCATE_ANY,
    EFI_ALLOCATE_MAX,
    EFI_ALLOCATE_ADDRESS,
};

enum efi_memory_type {
    EFI_RESERVED,
    EFI_LOADER_CODE,
    EFI_LOADER_DATA,
    EFI_BOOT_SERVICES_CODE,
    EFI_BOOT_SERVICES_DATA,
    EFI_RUNTIME_SERVICES_CODE,
    EFI_RUNTIME_SERVICES_DATA,
    EFI_CONVENTIONAL,
    EFI_UNUSABLE,
    EFI_ACPI_RECLAIM,
    EFI_ACPI_NVS,
    EFI_MMIO,
    EFI_MMIO_PORT,
    EFI_PAL_CODE,
    EFI_PERSISTENT,
    EFI_UNACCEPTED,
    EFI_TYPES_DEFINED,
};

#define EFI_MEMORY_RUNTIME ((uint64_t)1 << 63)

struct efi_memory_descriptor {
    uint32_t type;
    uint32_t padding;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attribute;
};
_Static_assert(sizeof(struct efi_memory_descriptor) == 40, "EFI_MEMORY_DESCRIPTOR");

/* --- section 4.2, "EFI Table Header" ---------------------------------------------------------- */
struct efi_table_header {
    uint64_t signature;
    uint32_t revision;
    uint32_t bytes;
    uint32_t crc32;
    uint32_t reserved;
};
_Static_assert(sizeof(struct efi_table_header) == 24, "EFI_TABLE_HEADER");

/* --- section 10.2, "EFI Device Path Protocol"; 10.3.5.4, "File Path Media Device Path" --------- */
struct efi_device_path {
    uint8_t type;
    uint8_t subtype;
    uint8_t bytes[2]; /* of the node, little endian */
};
_Static_assert(sizeof(struct efi_device_path) == 4, "EFI_DEVICE_PATH_PROTOCOL");

#define EFI_PATH_MEDIA      4
#define EFI_PATH_MEDIA_FILE 4
#define EFI_PATH_END        0x7f
#define EFI_PATH_END_ENTIRE 0xff

/* --- section 4.4, "EFI Boot Services Table" ---------------------------------------------------- */
typedef efi_status efi_allocate_pages(uint32_t how, uint32_t type, efi_uint pages,
                                      uint64_t *address);
typedef efi_status efi_get_memory_map(efi_uint *bytes, void *map, efi_uint *key,
                                      efi_uint *descriptor_bytes, uint32_t *descriptor_version);
typedef efi_status efi_allocate_pool(uint32_t type, efi_uint bytes, void **buffer);
typedef efi_status efi_load_image(uint8_t boot_policy, efi_handle parent,
                                  const struct efi_device_path *path, void *source,
                                  efi_uint source_bytes, efi_handle *image);
typedef efi_status efi_start_image(efi_handle image, efi_uint *exit_data_bytes,
                                   efi_char16 **exit_data);
typedef efi_status efi_exit_boot_services(efi_handle image, efi_uint key);

enum { EFI_BY_PROTOCOL = 2 }; /* section 7.3.15, EFI_LOCATE_SEARCH_TYPE */

struct efi_boot_services {
    struct efi_table_header header;
    void *raise_tpl;
    void *restore_tpl;
    efi_allocate_pages *allocate_pages;
    efi_status (*free_pages)(uint64_t address, efi_uint pages);
    efi_get_memory_map *get_memory_map;
    efi_allocate_pool *allocate_pool;
    efi_status (*free_pool)(void *buffer);
    void *create_event;
    void *set_timer;
    void *wait_for_event;
    void *signal_event;
    void *close_event;
    void *check_event;
    void *install_protocol_interface;
    void *reinstall_protocol_interface;
    void *uninstall_protocol_interface;
    efi_status (*handle_protocol)(efi_handle handle, const struct efi_guid *protocol,
                                  void **interface);
    void *reserved;
    void *register_protocol_notify;
    void *locate_handle;
    void *locate_device_path;
    efi_status (*install_configuration_table)(const struct efi_guid *name, void *table);
    efi_load_image *load_image;
    efi_start_image *start_image;
    void *exit;
    void *unload_image;
    efi_exit_boot_services *exit_boot_services;
    void *get_next_monotonic_count;
    void *stall;
    void *set_watchdog_timer;
    void *connect_controller;
    void *disconnect_controller;
    void *open_protocol;
    void *close_protocol;
    void *open_protocol_information;
    void *protocols_per_handle;
    efi_status (*locate_handle_buffer)(uint32_t search, const struct efi_guid *protocol, void *key,
                                       efi_uint *handles, efi_handle **buffer);
    void *locate_protocol;
    void *install_multiple_protocol_interfaces;
    void *uninstall_multiple_protocol_interfaces;
    efi_status (*calculate_crc32)(const void *data, efi_uint bytes, uint32_t *crc32);
    void *copy_mem;
    void *set_mem;
    void *create_event_ex;
};
_Static_assert(sizeof(struct efi_boot_services) == EFI_SIZE(376, 200), "EFI_BOOT_SERVICES");

/* --- section 4.5, "EFI Runtime Services Table": of these SetVariable is called, section 8.2.3 ------ */
struct efi_runtime_services {
    struct efi_table_header header;
    void *services[14];
};
#define EFI_SET_VARIABLE           8 /* in services[] */
#define EFI_VARIABLE_NON_VOLATILE  1
#define EFI_VARIABLE_BOOT_SERVICES 2
typedef efi_status efi_set_variable(const efi_char16 *name, const struct efi_guid *vendor,
                                    uint32_t attributes, efi_uint bytes, const void *data);
_Static_assert(sizeof(struct efi_runtime_services) == EFI_SIZE(136, 80), "EFI_RUNTIME_SERVICES");

/* --- section 12.4, "Simple Text Output Protocol" -------------------------------------------------- */
struct efi_text_output {
    void *reset;
    efi_status (*output_string)(struct efi_text_output *self, const efi_char16 *text);
    void *test_string;
    void *query_mode;
    void *set_mode;
    void *set_attribute;
    void *clear_screen;
    void *set_cursor_position;
    void *enable_cursor;
    void *mode;
};
_Static_assert(sizeof(struct efi_text_output) == EFI_SIZE(80, 40), "SIMPLE_TEXT_OUTPUT");

/* --- section 4.3, "EFI System Table" -------------------------------------------------------------- */
struct efi_system_table {
    struct efi_table_header header;
    efi_char16 *firmware_vendor;
    uint32_t firmware_revision;
    efi_handle console_in_handle;
    void *con_in;
    efi_handle console_out_handle;
    struct efi_text_output *con_out;
    efi_handle standard_error_handle;
    struct efi_text_output *std_err;
    struct efi_runtime_services *runtime_services;
    struct efi_boot_services *boot_services;
    efi_uint configuration_tables;
    void *configuration_table;
};
_Static_assert(sizeof(struct efi_system_table) == EFI_SIZE(120, 72), "EFI_SYSTEM_TABLE");

/* --- section 9.1, "EFI Loaded Image Protocol" ------------------------------------------------------ */
#define EFI_LOADED_IMAGE_GUID                                                                      \
    {                                                                                              \
        0x5b1b31a1, 0x9562, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }

struct efi_loaded_image {
    uint32_t revision;
    efi_handle parent;
    struct efi_system_table *system_table;
    efi_handle device;
    struct efi_device_path *file_path;
    void *reserved;
    uint32_t load_options_bytes;
    void *load_options;
    void *image_base;
    uint64_t image_bytes;
    uint32_t code_type;
    uint32_t data_type;
    void *unload;
};
_Static_assert(sizeof(struct efi_loaded_image) == EFI_SIZE(96, 64), "EFI_LOADED_IMAGE_PROTOCOL");

/* --- section 10.2, again: the protocol's name ------------------------------------------------------- */
#define EFI_DEVICE_PATH_GUID                                                                       \
    {                                                                                              \
        0x09576e91, 0x6d3f, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }

/* --- section 13.4, "Simple File System Protocol"; 13.5, "File Protocol" ------------------------------ */
#define EFI_FILE_SYSTEM_GUID                                                                       \
    {                                                                                              \
        0x964e5b22, 0x6459, 0x11d2,                                                                \
        {                                                                                          \
            0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                         \
        }                                                                                          \
    }

#define EFI_FILE_MODE_READ ((uint64_t)1)
#define EFI_FILE_TO_END    UINT64_MAX /* SetPosition: to the end of the file */

struct efi_file {
    uint64_t revision;
    efi_status (*open)(struct efi_file *self, struct efi_file **opened, const efi_char16 *name,
                       uint64_t mode, uint64_t attributes);
    efi_status (*close)(struct efi_file *self);
    void *delete;
    efi_status (*read)(struct efi_file *self, efi_uint *bytes, void *buffer);
    void *write;
    efi_status (*get_position)(struct efi_file *self, uint64_t *position);
    efi_status (*set_position)(struct efi_file *self, uint64_t position);
};
_Static_assert(offsetof(struct efi_file, set_position) == EFI_SIZE(56, 32), "EFI_FILE_PROTOCOL");

struct efi_file_system {
    uint64_t revision;
    efi_status (*open_volume)(struct efi_file_system *self, struct efi_file **root);
};
_Static_assert(sizeof(struct efi_file_system) == EFI_SIZE(16, 16), "SIMPLE_FILE_SYSTEM");

/* --- section 12.9, "Graphics Output Protocol" ---------------------------------------------------------- */
#define EFI_GRAPHICS_OUTPUT_GUID                                                                   \
    {                                                                                              \
        0x9042a9de, 0x23dc, 0x4a38,                                                                \
        {                                                                                          \
            0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a                                         \
        }                                                                                          \
    }

struct efi_graphics_mode {
    uint32_t modes;
    uint32_t mode;
    void *information;
    efi_uint information_bytes;
    uint64_t frame_buffer;
    efi_uint frame_buffer_bytes;
};
_Static_assert(offsetof(struct efi_graphics_mode, frame_buffer) == EFI_SIZE(24, 16), "GOP MODE");

struct efi_graphics_output {
    void *query_mode;
    void *set_mode;
    void *blt;
    struct efi_graphics_mode *mode;
};
_Static_assert(sizeof(struct efi_graphics_output) == EFI_SIZE(32, 16), "GRAPHICS_OUTPUT");

/* --- section 23.4, "EFI System Resource Table" ------------------------------------------------------------ */
#define EFI_SYSTEM_RESOURCE_TABLE_GUID                                                             \
    {                                                                                              \
        0xb122a263, 0x3661, 0x4f68,                                                                \
        {                                                                                          \
            0x99, 0x29, 0x78, 0xf8, 0xb0, 0xd6, 0x21, 0x80                                         \
        }                                                                                          \
    }
#define EFI_SYSTEM_RESOURCE_VERSION 1
#define EFI_SYSTEM_RESOURCE_DEVICE  2 /* a type of firmware */

struct efi_system_resource {
    struct efi_guid class;
    uint32_t type;
    uint32_t version;
    uint32_t lowest_version;
    uint32_t capsule_flags;
    uint32_t last_attempt_version;
    uint32_t last_attempt_status;
};
_Static_assert(sizeof(struct efi_system_resource) == 40, "EFI_SYSTEM_RESOURCE_ENTRY");

struct efi_system_resources {
    uint32_t count;
    uint32_t count_max;
    uint64_t version;
    struct efi_system_resource entries[2];
};
_Static_assert(offsetof(struct efi_system_resources, entries) == 16, "EFI_SYSTEM_RESOURCE_TABLE");

#endif

/* What Unicorn calls so often that Python would be most of the time: counting, and filling its table of pages.
 *
 * on_block counts executed instructions: it is called once per basic block that is entered. A block's length is given in bytes, so its instructions are counted once from its code (Thumb: a halfword whose upper
 * five bits are at least 0b11101 starts an instruction of four bytes, ARMv7-M ARM A5.1) and remembered. At `limit` the
 * engine is stopped before the block, which is then not counted; so a later start from the same place counts it once.
 */
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint16_t size, count; /* of a block, in bytes and in instructions */
} block_t;

typedef struct {
    uint64_t count;           /* instructions of all blocks entered */
    uint64_t limit;           /* no block is entered at or above this count */
    uint64_t stopped;         /* 1: the engine was stopped here */
    const uint8_t *code;      /* copy of the memory whose code does not change while the engine lives */
    uint64_t code_base, code_bytes;
    block_t *blocks;          /* per halfword of it: the last block that started there */
    int (*stop)(void *uc);
    int (*read)(void *uc, uint64_t address, void *bytes, uint64_t size);
} counter_t;

static uint16_t instructions_in(const uint8_t *code, uint32_t size) {
    uint16_t found = 0;
    for (uint32_t at = 0; at < size; found++) {
        at += (at + 1u < size && code[at + 1u] >> 3 >= 0x1Du) ? 4u : 2u;
    }
    return found;
}

static uint16_t decoded(const counter_t *counter, void *uc, uint64_t address, uint32_t size) {
    const uint64_t offset = address - counter->code_base;
    if (offset < counter->code_bytes && size <= counter->code_bytes - offset) {
        const uint16_t count = instructions_in(counter->code + offset, size);
        if (size < 0x10000u) {
            counter->blocks[offset >> 1] = (block_t){(uint16_t)size, count};
        }
        return count;
    }
    uint8_t copy[4096]; /* code in RAM may change: counted anew each time */
    if (size <= sizeof copy && counter->read(uc, address, copy, size) == 0) {
        return instructions_in(copy, size);
    }
    return (uint16_t)(size / 2u);
}

void on_block(void *uc, uint64_t address, uint32_t size, void *user) {
    counter_t *const counter = user;
    if (__builtin_expect(counter->count >= counter->limit, 0)) {
        counter->stopped = 1;
        counter->stop(uc);
        return;
    }
    const uint64_t offset = address - counter->code_base;
    if (__builtin_expect(offset < counter->code_bytes, 1)) {
        const block_t block = counter->blocks[offset >> 1];
        if (__builtin_expect(block.size == size, 1)) {
            counter->count += block.count;
            return;
        }
    }
    counter->count += decoded(counter, uc, address, size);
}

/* on_translation says what a page may be used for; counterpart and reason: pages.py. */

#define PROT_READ_WRITE 3u
#define PROT_ALL 7u
#define ACCESS_FETCH 18 /* UC_MEM_FETCH */
#define PAGE_SHIFT 10   /* the smallest page the engine has */

typedef struct {
    uint64_t base, bytes;
    uint8_t *executed; /* per page: code was fetched from it */
} area_t;

typedef struct {
    uint64_t count;
    const area_t *areas;
} pages_t;

typedef struct { /* uc_tlb_entry */
    uint64_t address;
    uint32_t permissions;
} entry_t;

bool on_translation(void *uc, uint64_t page, int access, entry_t *entry, void *user) {
    const pages_t *const pages = user;
    (void)uc;
    entry->address = page;
    entry->permissions = PROT_ALL;
    for (uint64_t i = 0; i < pages->count; i++) {
        const uint64_t offset = page - pages->areas[i].base;
        if (offset < pages->areas[i].bytes) {
            uint8_t *const executed = &pages->areas[i].executed[offset >> PAGE_SHIFT];
            if (access == ACCESS_FETCH) {
                *executed = 1;
            } else if (!*executed) {
                entry->permissions = PROT_READ_WRITE;
            }
            break;
        }
    }
    return true;
}

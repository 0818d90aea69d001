/* The numbers of docs/protocol.md: version, types of messages, codes of errors. */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#define BENCH_PROTOCOL_VERSION 1u

enum {
    GET_MANIFEST = 0x01,
    ECHO = 0x02,
    GET_TIME = 0x03,
    LOAD_INPUT = 0x04,
    GET_INPUT_CRC = 0x05,
    RUN = 0x06,
    GET_SAMPLES = 0x07,
    RUN_PROFILE = 0x08,
    GET_LAYERS = 0x09,
    READ_OUTPUT = 0x0A,
    GET_MEMORY = 0x0B,
    JUMP_TO_BOOTLOADER = 0x0C,
    RESET = 0x0D,
    LAST_REQUEST = RESET,

    REPLY = 0x80, /* a reply has the type of its request with this bit, but for those that several share */
    ACCEPTED = 0xF0,
    DEVICE_ERROR = 0xF1,
    LOG = 0xF2,
};

typedef enum {
    NO_ERROR = 0,
    UNKNOWN_REQUEST = 1,
    BAD_ARGUMENT = 2,
    NO_INPUT = 3,
    WRONG_CHIP = 4,
    BAD_IMAGE = 5,
    FAULT = 6,
    BUSY = 7,
    COUNTER_DEAD = 8,
} bench_error_t;

enum { LOG_WARNING = 2 };

#endif

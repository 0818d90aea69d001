# Turns ELF into BINARY, padded with 0xFF to whole flash words; with HEADER also writes the image's checksums as
# a C header. CMake has SHA-256 but no CRC-32: that of a gzip file's trailer is the same (RFC 1952).
execute_process(COMMAND ${OBJCOPY} ${OBJCOPY_FIRST} -O binary ${ELF} ${BINARY} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${BINARY} size)
math(EXPR missing "(${FLASH_WORD_BYTES} - ${size} % ${FLASH_WORD_BYTES}) % ${FLASH_WORD_BYTES}")
string(ASCII 255 erased)
string(REPEAT "${erased}" ${missing} padding)
file(APPEND ${BINARY} "${padding}")
math(EXPR padded "${size} + ${missing}")

# Bytes 0x40C .. 0x40F: the length that the linker wrote into the manifest block.
file(READ ${BINARY} length OFFSET 1036 LIMIT 4 HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1" length "${length}")
math(EXPR length "${length}")
if(NOT length EQUAL padded)
  message(FATAL_ERROR "${ELF}: the manifest block says ${length} bytes, the image has ${padded}")
endif()

if(HEADER)
  file(SHA256 ${BINARY} sha256)
  file(ARCHIVE_CREATE OUTPUT ${BINARY}.gz PATHS ${BINARY} FORMAT raw COMPRESSION GZip)
  file(SIZE ${BINARY}.gz size)
  math(EXPR trailer "${size} - 8")
  file(READ ${BINARY}.gz crc32 OFFSET ${trailer} LIMIT 4 HEX)
  file(REMOVE ${BINARY}.gz)
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1u" crc32 "${crc32}")
  string(REGEX REPLACE "(..)" "0x\\1, " sha256 "${sha256}")
  file(WRITE ${HEADER} "#define BENCH_IMAGE_CRC32 ${crc32}\n#define BENCH_IMAGE_SHA256 ${sha256}\n")
endif()

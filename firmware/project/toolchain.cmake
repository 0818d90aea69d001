# The compiler: arm-none-eabi-gcc where it is installed, else zig (pip install ziglang), and said which.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # there is no program that links without our script
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BENCH_COMPILER)

set(BENCH_COMPILER "" CACHE STRING "gcc or zig; empty: the first that is found")
find_program(BENCH_GCC arm-none-eabi-gcc)
if(BENCH_GCC AND NOT BENCH_COMPILER STREQUAL "zig")
  set(CMAKE_C_COMPILER "${BENCH_GCC}")
  find_program(CMAKE_OBJCOPY arm-none-eabi-objcopy REQUIRED)
else()
  find_program(BENCH_ZIG zig)
  if(NOT BENCH_ZIG)
    find_program(BENCH_PYTHON NAMES python3 python)
    execute_process(COMMAND "${BENCH_PYTHON}" -c "import ziglang, os; print(os.path.dirname(ziglang.__file__))"
      OUTPUT_VARIABLE folder ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    find_program(BENCH_ZIG zig HINTS "${folder}")
  endif()
  if(NOT BENCH_ZIG)
    message(FATAL_ERROR "no compiler for Arm microcontrollers: install gcc-arm-none-eabi with libnewlib-arm-none-eabi, "
      "or zig (pip install ziglang)")
  endif()
  set(CMAKE_C_COMPILER "${BENCH_ZIG}" cc)
  set(CMAKE_C_COMPILER_TARGET thumb-freestanding-eabihf)
endif()
message(STATUS "compiler: ${CMAKE_C_COMPILER}")

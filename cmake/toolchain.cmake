# SPDX-License-Identifier: Apache-2.0
# Language level, warnings and sanitizers for our own targets.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# The codec of the ring and the PromQL evaluator promise the same digits on every machine.
add_compile_options(-ffp-contract=off)
# Everywhere, and not only where a library asks for it: a precompiled header is for one set of flags.
add_compile_options(-pthread)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC looks for garbage whenever its memory has doubled. A compilation of ours never has 1 GB, and ends a tenth earlier
  # if it does not look: it then has about 100 MB more.
  add_compile_options(--param=ggc-min-heapsize=1048576)
endif()

option(WATCHKEEPER_TESTS "Build the tests" ON)
option(WATCHKEEPER_FUZZ "Build the fuzz targets (clang)" OFF)
set(WATCHKEEPER_SANITIZE "" CACHE STRING "Value of -fsanitize=, empty for none")

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2")  # CHECK and assert stay on: see core/check.h
endif()

find_program(WATCHKEEPER_CCACHE ccache)
if(WATCHKEEPER_CCACHE)
  # What its manual asks for where headers are precompiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${WATCHKEEPER_CCACHE})
endif()

find_program(WATCHKEEPER_MOLD mold)
if(WATCHKEEPER_MOLD AND NOT CMAKE_CROSSCOMPILING)
  add_link_options(-fuse-ld=mold)
endif()

add_library(watchkeeper_flags INTERFACE)
target_compile_options(watchkeeper_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 at -O2 sees copies that overlap, have no end or lie outside, searches past an end, and unset members in moved
  # variants, where there are none (its bugs 105651, 105329 and 105562). They are in libstdc++'s std::string and
  # string_view, which is silent as a system header, but not in a precompiled one. Clang and the sanitizers watch for the
  # real ones.
  target_compile_options(watchkeeper_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread
                         -Wno-array-bounds -Wno-maybe-uninitialized)
else()
  # Clang blames us for what libstdc++ 12's own std::stable_sort calls.
  target_compile_options(watchkeeper_flags INTERFACE -Wno-deprecated-declarations)
endif()
target_include_directories(watchkeeper_flags INTERFACE ${CMAKE_SOURCE_DIR})

if(WATCHKEEPER_SANITIZE)
  add_compile_options(-fsanitize=${WATCHKEEPER_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WATCHKEEPER_SANITIZE})
endif()

# SPDX-License-Identifier: Apache-2.0
# Cross build for the ARM64 hosts. The compiler is Debian's g++-aarch64-linux-gnu; every library comes from a sysroot of
# Debian's :arm64 packages that `./dev arm64` makes, so that the packages of the building machine stay as they are.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

cmake_path(SET CMAKE_SYSROOT NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-sysroot)
if(NOT EXISTS ${CMAKE_SYSROOT}/usr/include)
  message(FATAL_ERROR "no :arm64 libraries in ${CMAKE_SYSROOT}: run ./dev arm64 once, it puts them there")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)

# The oldest 64-bit ARM. Outline atomics take the single-instruction atomics of ARMv8.1 where the processor has them and
# load/store-exclusive loops elsewhere: one binary for a Raspberry Pi 4 and a Graviton.
# libatomic is left out on purpose: it serves the atomics that are not lock-free, so one of those fails the link.
set(CMAKE_CXX_FLAGS_INIT "-march=armv8-a -moutline-atomics")

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${CMAKE_SYSROOT})

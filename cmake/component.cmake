# SPDX-License-Identifier: Apache-2.0
# One component = one folder with its .cpp files, one static library, one unit-test program.

# A third of most compilations is reading the same headers: they are read once. No file names them by these files, and
# every file still includes what it uses: -DWATCHKEEPER_PRECOMPILED=OFF shows it.
option(WATCHKEEPER_PRECOMPILED "Precompile shared headers (GCC only)" ON)

# watchkeeper_precompiled_headers(<name> <header> libs...)
# Makes the target <name>, whose precompiled <header> other targets can reuse.
function(watchkeeper_precompiled_headers name header)
  if(WATCHKEEPER_PRECOMPILED AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A target needs a source.
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp CONTENT "")
    add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
    target_link_libraries(${name} PRIVATE watchkeeper_flags fmt::fmt ${ARGN})
    target_precompile_headers(${name} PRIVATE ${header})
  endif()
endfunction()

# watchkeeper_reuse_headers(<target> <name>)
function(watchkeeper_reuse_headers target name)
  if(TARGET ${name})
    target_precompile_headers(${target} REUSE_FROM ${name})
    # ccache preprocesses, and has to see there which precompiled header is used.
    target_compile_options(${target} PRIVATE -fpch-preprocess -Winvalid-pch)
  endif()
endfunction()

# Half of what is left is instantiating the same templates as the neighbour does: four files that are compiled as one cost
# about as much as one and a half, and want less than 1 GB. Each still includes what it uses: -DWATCHKEEPER_BATCHES=OFF
# shows it, and so does the preset dev, which is for editing and compiles file by file.
# What it asks of the files of a folder: a name in an unnamed namespace is that folder's only one. Where "redefinition of"
# tells of two, one of them gets a better name, or both become one in a header.
option(WATCHKEEPER_BATCHES "Compile files of a folder four at a time" ON)

# watchkeeper_batches(<target>)
function(watchkeeper_batches target)
  if(WATCHKEEPER_BATCHES)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
    # It takes a file that is compiled with others for a header, where unnamed namespaces would be wrong.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

set(WATCHKEEPER_COLD_OPTIONS $<$<CONFIG:Release>:-O1>)

# watchkeeper_component(<top>/<folder> [RECURSE] [APART] [COLD] [PUBLIC libs...] [PRIVATE libs...])
# Makes the library <top>_<folder> of the .cpp files in <top>/<folder> (and below it, with RECURSE).
# A folder that has only headers becomes an interface library.
# APART: its files are compiled one by one. They touch every sample, and what is measured of them shall depend on no
# neighbour; or, as in agent/api, each names things of its own as the others do.
# COLD: runs at start, once a minute or for a person. A release has it at -O1, which compiles in three quarters of the time.
function(watchkeeper_component path)
  cmake_parse_arguments(arg "RECURSE;APART;COLD" "" "PUBLIC;PRIVATE" ${ARGN})
  string(REPLACE "/" "_" name ${path})
  if(arg_RECURSE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.cpp)
  else()
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.cpp)
  endif()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE watchkeeper_flags ${arg_PRIVATE})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    if(NOT arg_APART)
      watchkeeper_batches(${name})
    endif()
    if(arg_COLD)
      target_compile_options(${name} PRIVATE ${WATCHKEEPER_COLD_OPTIONS})
      watchkeeper_reuse_headers(${name} cold_precompiled)
    else()
      watchkeeper_reuse_headers(${name} precompiled)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_PUBLIC} ${arg_PRIVATE})
  endif()
  set_property(GLOBAL APPEND PROPERTY WATCHKEEPER_COMPONENTS ${path})
endfunction()

# Called once from test/: a program <component>_test for every component with files in test/unit/<component>.
function(watchkeeper_unit_tests)
  get_property(components GLOBAL PROPERTY WATCHKEEPER_COMPONENTS)
  foreach(path IN LISTS components)
    string(REPLACE "/" "_" name ${path})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/test/unit/${path}/*_test.cpp)
    if(sources)
      add_executable(${name}_test ${sources})
      target_link_libraries(${name}_test PRIVATE watchkeeper_flags ${name} test_support GTest::gmock_main rapidcheck)
      watchkeeper_reuse_headers(${name}_test test_precompiled)
      watchkeeper_batches(${name}_test)
      add_test(NAME ${name} COMMAND ${name}_test)
      if(CMAKE_CROSSCOMPILING)
        # An emulated processor takes some ten times as long.
        set_tests_properties(${name} PROPERTIES TIMEOUT 1200)
      else()
        set_tests_properties(${name} PROPERTIES TIMEOUT 120)
      endif()
    endif()
  endforeach()
endfunction()

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

set(WATCHKEEPER_COLD_OPTIONS $<$<CONFIG:Release>:-O1>)

# watchkeeper_component(<top>/<folder> [RECURSE] [COLD] [PUBLIC libs...] [PRIVATE libs...])
# Makes the library <top>_<folder> of the .cpp files in <top>/<folder> (and below it, with RECURSE).
# A folder that has only headers becomes an interface library.
# COLD: runs at start, once a minute or for a person. A release has it at -O1, which compiles in three quarters of the time.
function(watchkeeper_component path)
  cmake_parse_arguments(arg "RECURSE;COLD" "" "PUBLIC;PRIVATE" ${ARGN})
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
      add_test(NAME ${name} COMMAND ${name}_test)
      set_tests_properties(${name} PROPERTIES TIMEOUT 120)
    endif()
  endforeach()
endfunction()

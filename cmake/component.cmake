# SPDX-License-Identifier: Apache-2.0
# One component = one folder with its .cpp files, one static library, one unit-test program.

# watchkeeper_component(<top>/<folder> [RECURSE] [PUBLIC libs...] [PRIVATE libs...])
# Makes the library <top>_<folder> of the .cpp files in <top>/<folder> (and below it, with RECURSE).
# A folder that has only headers becomes an interface library.
function(watchkeeper_component path)
  cmake_parse_arguments(arg "RECURSE" "" "PUBLIC;PRIVATE" ${ARGN})
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
      add_test(NAME ${name} COMMAND ${name}_test)
      set_tests_properties(${name} PROPERTIES TIMEOUT 120)
    endif()
  endforeach()
endfunction()

# The three ways a target comes into being here: a module, its tests, a fuzz target.

# pronk_module(ops DEPS tensor kernels base LIBS fmt::fmt): the library of src/ops, which may use the modules in DEPS and
# nothing else of ours, so that the linker sees the same layers as tools/check_layers.py.
function(pronk_module name)
  cmake_parse_arguments(arg "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(pronk_${name} STATIC ${sources})
  list(TRANSFORM arg_DEPS PREPEND pronk_)
  target_link_libraries(pronk_${name} PUBLIC ${arg_DEPS} ${arg_LIBS} PRIVATE pronk_warnings)
  target_include_directories(pronk_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
endfunction()

# pronk_test(ops LABELS unit): one GoogleTest binary, ops_test, of every tests/ops/*_test.cc.
function(pronk_test name)
  cmake_parse_arguments(arg "" "" "LABELS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources})
  target_link_libraries(${name}_test PRIVATE pronk_${name} ${arg_LIBS} pronk_warnings GTest::gmock GTest::gtest_main)
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name}_test PRIVATE PRONK_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  gtest_discover_tests(${name}_test PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300 DISCOVERY_TIMEOUT 60)
endfunction()

# pronk_fuzz(gguf formats): tests/fuzz/gguf_fuzz.cc as a libFuzzer program (preset `dev`, clang).
function(pronk_fuzz name module)
  add_executable(${name}_fuzz ${name}_fuzz.cc)
  target_link_libraries(${name}_fuzz PRIVATE pronk_${module} pronk_warnings)
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
endfunction()

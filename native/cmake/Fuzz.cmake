# Fuzzing with libFuzzer: a build of its own, as every part under test is compiled with coverage.
#
#   cmake --preset fuzz && ninja -C build/fuzz git_fuzz && build/fuzz/bin/git_fuzz -max_total_time=60
#
# purser_fuzzer(<name> SRCS a_fuzz.cc DEPS purser_x …): one fuzzer; nothing without PURSER_FUZZ.
option(PURSER_FUZZ "Build the fuzzers (Clang only; see the preset fuzz)" OFF)
if(PURSER_FUZZ)
  # Optimised, unlike the other sanitizer builds: these run millions of times.
  add_compile_options(-fsanitize=fuzzer-no-link -O2)
endif()

function(purser_fuzzer name)
  if(NOT PURSER_FUZZ)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} purser_common)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()

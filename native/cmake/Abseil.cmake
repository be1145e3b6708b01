# Abseil. Debug builds use Debian's shared libraries.
#
# Static builds need position-independent archives for the addon, which Debian's are not (its Abseil
# uses local-exec thread-local storage). They are built once from Debian's own source package of the
# very version whose headers are installed, and kept under the user's cache folder, so that one ABI
# serves the addon, the programs and Debian's libgrpc.a.
if(PURSER_STATIC)
  if(DEFINED ENV{XDG_CACHE_HOME})
    set(purser_cache $ENV{XDG_CACHE_HOME}/purser)
  else()
    set(purser_cache $ENV{HOME}/.cache/purser)
  endif()
  execute_process(
    COMMAND dpkg-query -W -f "\${source:Version}" libabsl-dev
    OUTPUT_VARIABLE purser_abseil_version RESULT_VARIABLE purser_abseil_result ERROR_QUIET)
  if(NOT purser_abseil_result EQUAL 0)
    message(FATAL_ERROR "the package libabsl-dev is not installed: apt-get install libabsl-dev")
  endif()
  set(purser_abseil_prefix ${purser_cache}/abseil-${purser_abseil_version})
  if(NOT EXISTS ${purser_abseil_prefix}/lib/cmake/absl/abslConfig.cmake)
    message(STATUS "Building position-independent Abseil ${purser_abseil_version} once (1-2 minutes)")
    execute_process(
      COMMAND ${CMAKE_CURRENT_LIST_DIR}/build-abseil-pic.sh ${purser_abseil_version}
              ${purser_abseil_prefix}
      RESULT_VARIABLE purser_abseil_result)
    if(NOT purser_abseil_result EQUAL 0)
      message(FATAL_ERROR "native/cmake/build-abseil-pic.sh failed; its messages are above")
    endif()
  endif()
  set(absl_DIR ${purser_abseil_prefix}/lib/cmake/absl)
endif()

find_package(absl REQUIRED)

if(PURSER_STATIC)
  # Everything libgrpc.a may want, in any order; the linker takes what is used.
  file(GLOB purser_abseil_archives ${purser_abseil_prefix}/lib/libabsl_*.a)
  list(FILTER purser_abseil_archives EXCLUDE REGEX
       "libabsl_(flags|failure_signal|scoped_set_env|random_internal_distribution_test)")
  add_library(purser_abseil_all INTERFACE)
  target_link_libraries(purser_abseil_all INTERFACE
    "$<LINK_GROUP:RESCAN,${purser_abseil_archives}>" Threads::Threads)
endif()

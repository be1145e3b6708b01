# purser_grpc: what native/rpc, native/sidecar, native/cli and the generated code link for gRPC.
#
# Debug: Debian's shared libraries. Static: Debian's archives in an order its CMake package does not
# know (its imported targets name the shared objects only). They serve programs, never the addon:
# libprotobuf, libre2 and some of Abseil are built with thread-local storage of executables.
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED)
if(TARGET re2::re2)
  # Its -pthread says nothing to this compiler (Threads::Threads says what is needed) but makes the
  # precompiled headers, which are compiled without it, unfit for whoever links gRPC.
  set_target_properties(re2::re2 PROPERTIES INTERFACE_COMPILE_OPTIONS "")
endif()

add_library(purser_grpc INTERFACE)

if(NOT PURSER_STATIC)
  target_link_libraries(purser_grpc INTERFACE gRPC::grpc++ gRPC::grpc++_reflection
                                              protobuf::libprotobuf)
  return()
endif()

# purser_archive(<name> DEPS …): imported target purser_archive_<name> for lib<name>.a.
function(purser_archive name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  string(MAKE_C_IDENTIFIER ${name} target)
  find_library(PURSER_ARCHIVE_${target} NAMES lib${name}.a REQUIRED)
  mark_as_advanced(PURSER_ARCHIVE_${target})
  add_library(purser_archive_${target} STATIC IMPORTED GLOBAL)
  set_target_properties(purser_archive_${target} PROPERTIES
    IMPORTED_LOCATION ${PURSER_ARCHIVE_${target}}
    INTERFACE_LINK_LIBRARIES "${arg_DEPS}")
endfunction()

purser_archive(cares)
purser_archive(address_sorting)
purser_archive(re2 DEPS Threads::Threads)
purser_archive(upb)
purser_archive(protobuf DEPS ZLIB::ZLIB Threads::Threads)
purser_archive(gpr DEPS purser_abseil_all rt)
purser_archive(grpc DEPS
  purser_archive_address_sorting purser_archive_upb purser_archive_gpr purser_archive_re2
  purser_archive_cares purser_abseil_all OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB ${CMAKE_DL_LIBS} rt)
purser_archive(grpc++ DEPS purser_archive_grpc purser_archive_gpr purser_archive_protobuf
                           purser_abseil_all)
purser_archive(grpc++_reflection DEPS purser_archive_grpc__ purser_archive_protobuf)

# The reflection service registers itself by a static object that nothing names.
target_link_libraries(purser_grpc INTERFACE
  $<LINK_LIBRARY:WHOLE_ARCHIVE,purser_archive_grpc___reflection>
  purser_archive_grpc__ purser_archive_protobuf)

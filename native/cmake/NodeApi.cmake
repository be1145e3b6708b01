# purser_node_addon(<target> SRCS … DEPS … [OUTPUT_NAME name]): a Node-API addon, <name>.node.
#
# Headers come from npm's node-api-headers; nothing of Node is linked, its functions are there at run
# time. A static build exports the two functions Node looks for and nothing else, so that no symbol of
# Node's own OpenSSL, zlib or Abseil can be mixed with ours.
set(PURSER_NODE_MODULES ${CMAKE_SOURCE_DIR}/node_modules CACHE PATH
    "Where npm put node-api-headers")
set(purser_node_headers ${PURSER_NODE_MODULES}/node-api-headers/include)
if(NOT EXISTS ${purser_node_headers}/node_api.h)
  message(FATAL_ERROR
    "${purser_node_headers}/node_api.h is missing. Run `npm ci` in ${CMAKE_SOURCE_DIR} first, or "
    "configure with -DPURSER_ADDON=OFF to build everything but the addon.")
endif()

function(purser_node_addon target)
  cmake_parse_arguments(arg "" "OUTPUT_NAME" "SRCS;DEPS" ${ARGN})
  if(NOT arg_OUTPUT_NAME)
    set(arg_OUTPUT_NAME ${target})
  endif()
  set(exports ${CMAKE_SOURCE_DIR}/native/addon/exports.map)
  add_library(${target} MODULE ${arg_SRCS})
  target_link_libraries(${target} PRIVATE ${arg_DEPS})
  set_target_properties(${target} PROPERTIES
    PREFIX "" SUFFIX ".node" OUTPUT_NAME ${arg_OUTPUT_NAME} LINK_DEPENDS ${exports})
  target_link_options(${target} PRIVATE
    # Node unloads an addon when the last worker that used it ends; a thread that is still on its
    # way out would then run unmapped code.
    -Wl,-z,nodelete
    -Wl,-z,now -Wl,--gc-sections -Wl,--no-undefined-version
    -Wl,--version-script=${exports} -Wl,--exclude-libs,ALL)
  if(PURSER_STATIC)
    target_link_options(${target} PRIVATE -s)
  endif()
endfunction()

# Sources that include Node's headers. Level 9: level 10 crashes Node 20 while it loads the addon.
add_library(purser_node_api INTERFACE)
target_include_directories(purser_node_api SYSTEM INTERFACE ${purser_node_headers})
target_compile_definitions(purser_node_api INTERFACE NAPI_VERSION=9)

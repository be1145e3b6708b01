# `cmake --install build/release --prefix plugin/npm/linux-x64 --strip` fills the npm package of this
# platform: everything lies beside its package.json.
install(TARGETS purser_addon LIBRARY DESTINATION .)
install(TARGETS purserd purser RUNTIME DESTINATION .)
install(FILES ${CMAKE_SOURCE_DIR}/native/addon/purser.d.ts DESTINATION .)

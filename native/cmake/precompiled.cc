// Empty: what the precompiled headers of the sanitizer builds belong to (see Purser.cmake).

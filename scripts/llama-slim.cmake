# Included by llama.cpp's top-level project() while llama-cpp-python is being built (make evals).
# The harness calls libllama alone, so the helper library of llama.cpp's own programs stays out, and
# libllama's many small files are compiled several at a time.
set(LLAMA_BUILD_COMMON OFF)
cmake_language(DEFER CALL set_target_properties llama
               PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)

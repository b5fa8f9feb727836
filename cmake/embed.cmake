# embed(FILE NAME): a source file, added to `texts`, with the file's text as `const char NAME[]`.
function(embed file name)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/embed_file.cmake)
  add_custom_command(OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -D IN=${file} -D OUT=${made} -D NAME=${name} -P ${script}
    DEPENDS ${file} ${script} VERBATIM)
  set(texts ${texts} ${made} PARENT_SCOPE)
endfunction()

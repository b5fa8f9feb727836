# Makes the text of a file an array of C:
#   cmake -D IN=file -D OUT=file.c -D NAME=symbol -P embed_file.cmake
# Bytes are written as characters ('\xce'), which are in the range of char whatever its sign.
file(READ ${IN} text HEX)
string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${text}")
file(WRITE ${OUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = {${bytes}0};\n")

" Vim syntax file of the language of ingot; made by tools/editors.py.
if exists("b:current_syntax") | finish | endif
syn iskeyword @,48-57,_,',192-255
syn keyword ingotKeyword import config dim fn layer net optimizer entry train param state if then else for in and or not scan while repeat with
syn keyword ingotBoolean true false
syn keyword ingotType real int bool f64 f32 f16 bf16 i64 i32 i16 i8 u64 u32 u16 u8 f8e4m3fn f8e4m3fnuz f8e5m2 f8e5m2fnuz f8e8m0 f4e2m1 i4 i2 u4 u2
syn match ingotStatement /\%(^\|[{;]\)\s*\zs\%(check\|data\|fit\|load\|minimize\|show\|stop\|track\|valid\|test\|batch\|epochs\|accumulate\)\ze\s\+[^[:blank:]=<~,:+.\[]/
syn match ingotClause /\s\zs\%(after\|as\|clip\|down\|higher\|limit\|lower\|on\|onnx\|over\|using\|weight\|when\|without\)\ze\s/
syn match ingotFunction /\<\%(sum\|prod\|max\|min\|mean\|any\|all\|argmax\|argmin\)\ze[\[(]/
syn match ingotNumber /\<\%(0x[0-9A-Fa-f_]\+\|\d[0-9_]*\%(\.\d[0-9_]*\)\?\%([eE][-+]\?\d\+\)\?\)\>/
syn match ingotOperator /|>\|->\|<-\|+=\|[=!<>]=\|\/\/\|\.\.\|[-+*\/%^=~<>]/
syn match ingotEscape contained /\\\%(["\\n]\|u{\x\+}\)/
syn region ingotString start=/"/ skip=/\\./ end=/"/ oneline contains=ingotEscape
syn match ingotComment /#.*$/
hi def link ingotKeyword Keyword
hi def link ingotBoolean Boolean
hi def link ingotType Type
hi def link ingotStatement Statement
hi def link ingotClause Keyword
hi def link ingotFunction Function
hi def link ingotNumber Number
hi def link ingotOperator Operator
hi def link ingotEscape SpecialChar
hi def link ingotString String
hi def link ingotComment Comment
let b:current_syntax = "ingot"

package bankerr

// Chinese and English texts by code, for the test that compares them.
var (
	Catalogue    = catalogue
	EnglishTexts = english
)

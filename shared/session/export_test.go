package session

// Scripts returns the digests of the scripts that may be repeated, in the order in which
// Start uses them, and then that of End.
func Scripts() []string {
	return []string{turnScript.Hash(), startScript.Hash(), pointScript.Hash(), displaceScript.Hash(), unpointScript.Hash()}
}

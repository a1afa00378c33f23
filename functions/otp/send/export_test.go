package send

// Statements are the function's own.
var Statements = []string{sqlPhoneOf, sqlRecipient}

package bankerr

// English returns a refusal's text in English, for engineers and for an app in
// English. A test finds codes without such a text.
func English(code string) (Text, bool) {
	t, ok := english[code]
	return t, ok
}

// The customer texts in English, by code. Each says the same as its Chinese text.
var english = map[string]Text{
	"ACCOUNT_CLOSED":          {"The account's state does not allow this", "Check both accounts, or call the bank"},
	"ACCOUNT_SAME":            {"Payer and payee are the same account", "Choose different accounts"},
	"ALIAS_TAKEN":             {"The alias is taken", "Choose another alias"},
	"APP_OUTDATED":            {"This version of the app is too old", "Install the newest version from the app store"},
	"CALLER_LEFT":             {"The connection ended before the operation was done", "Start again"},
	"CAPTCHA_REJECTED":        {"The graphic code is wrong or no longer valid", "Get a new graphic code and try again"},
	"CAPTCHA_REQUIRED":        {"A graphic code is needed first", "Get the graphic code and fill it in"},
	"CERT_REQUEST_REJECTED":   {"The application for the certificate has failed", "Apply again; if that fails too, update the app"},
	"CHANNEL_EXPIRED":         {"The secure channel has ended", "Open the app again"},
	"CHANNEL_REFUSED":         {"The secure channel can't be opened", "Install the newest version of the app"},
	"DEVICE_LOCKED":           {"The log-in is locked to another device", "Log in there, or release it by trade password and card number"},
	"DEVICE_UNBOUND":          {"This device has no bound key, which this needs", "Log in again, bind the device, and start again"},
	"ENVIRONMENT_UNSAFE":      {"The phone's environment is unsafe, so transfers are disabled", "Remove the risk and open the app again"},
	"FRAME_REJECTED":          {"The request did not pass the security check", "Check the phone's clock and network, then try again"},
	"FRAME_REPLAYED":          {"The request was repeated", "Go back and start again"},
	"FUNCTION_UNKNOWN":        {"This function does not exist", "Install the newest version of the app"},
	"FUNDS_INSUFFICIENT":      {"The available balance is not enough", "Choose another account or another amount"},
	"IDEMPOTENCY_KEY_MISSING": {"The request has no idempotency key", "Install the newest version of the app"},
	"IDEMPOTENCY_KEY_REUSED":  {"The idempotency key belongs to another request", "Go back and start again"},
	"INPUT_INVALID":           {"The request is not valid", "Check the input and send it again"},
	"INPUT_TOO_LARGE":         {"The request is too large", "Shorten the input and try again"},
	"INTENT_EXPIRED":          {"This operation has expired", "Start again"},
	"INTENT_USED":             {"This operation is already done", "Look at its result, and do not repeat it"},
	"INTERNAL_ERROR":          {"The bank's system is busy", "Try later; for help, give the trace number to the service desk"},
	"LIMIT_EXCEEDED":          {"The amount is above the limit", "Lower the amount, or confirm with stronger factors"},
	"LOGIN_FAILED":            {"The user name, password or code is wrong", "Check them and try again"},
	"LOGIN_PASSWORD_LOCKED":   {"The login password is locked", "Try after the lock; if you forgot it, reset it"},
	"METHOD_NOT_ALLOWED":      {"The HTTP method is not supported", "Install the newest version of the app"},
	"OBJECT_NOT_FOUND":        {"Nothing was found", "Go back, refresh and try again"},
	"OTP_TOO_OFTEN":           {"Codes were asked for too often", "Ask for a code later"},
	"PASSWORD_UNSEALED":       {"The password is not sealed as it must be", "Install the newest version of the app"},
	"PASSWORD_WEAK":           {"The password is too weak", "Use no runs, repetitions or digits of your numbers; use two passwords"},
	"PAYEE_MISMATCH":          {"The payee's name does not belong to the account", "Check the payee"},
	"PHONE_TAKEN":             {"The phone number is taken", "Use another number, or visit a branch"},
	"PROOF_REJECTED":          {"The step-up has failed", "Check the code or the password, or sign again"},
	"RATE_LIMITED":            {"Too many requests", "Try later"},
	"REGISTRATION_REFUSED":    {"The data could not be verified", "Check name, identity and card number, password and phone number"},
	"REPORT_REPLAYED":         {"The report on the phone's environment was sent before", "Open the app again"},
	"REQUEST_IN_PROGRESS":     {"This request is being worked on", "Look at the result later, and do not send it again"},
	"RESET_BRANCH_ONLY":       {"This trade password can't be reset online", "Visit a branch with your identity document"},
	"RESET_REFUSED":           {"The data could not be verified", "Check name, identity and card number and phone; or visit a branch"},
	"RISK_REFUSED":            {"The bank has stopped this operation because of a risk", "Verify it with the bank by phone"},
	"SERVICE_UNAVAILABLE":     {"The service is not available", "Try later"},
	"SESSION_DISPLACED":       {"You have logged in on another device", "If it was not you, change your password and call the bank"},
	"SESSION_REQUIRED":        {"You are not logged in", "Log in again"},
	"SMS_EXHAUSTED":           {"The bank sends no more text messages for now", "Ask for a code later; if it is urgent, go to a branch"},
	"STEPUP_STRONGER":         {"A stronger step-up is needed", "Add the missing factor, use a USB key or a token, or lower the amount"},
	"TOKEN_LOCKED":            {"The dynamic token is locked for a while", "Try after the lock; if its clock is wrong, set it first"},
	"TRADE_PASSWORD_FROZEN":   {"The trade password is frozen for today", "Try after midnight; if you forgot it, call the bank"},
	"TRADE_PASSWORD_LOCKED":   {"The trade password is locked for a while", "Try after the lock; if you forgot it, call the bank"},
}

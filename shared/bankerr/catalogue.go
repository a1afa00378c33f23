package bankerr

// Text is a refusal's text for customers.
type Text struct {
	Title  string // what happened
	Advice string // what to do next
}

// Lookup returns the customer's text for a code. A code without a text gets the text
// of INTERNAL_ERROR; a test over the registry finds such codes.
func Lookup(code string) (Text, bool) {
	t, ok := catalogue[code]
	if !ok {
		return catalogue["INTERNAL_ERROR"], false
	}
	return t, true
}

// The one catalogue of customer texts, by code. A text says no more than its code.
var catalogue = map[string]Text{
	"ACCOUNT_CLOSED":           {"账户状态不允许该交易", "请核对收付款账户，或联系客服"},
	"ACCOUNT_SAME":             {"付款账户与收款账户相同", "请选择不同的账户"},
	"ALIAS_TAKEN":              {"该别名已被使用", "请换一个别名"},
	"APP_OUTDATED":             {"应用版本过低，无法继续使用", "请到应用商店升级到最新版本"},
	"CALLER_LEFT":              {"连接已中断，操作未完成", "请重新发起"},
	"CAPTCHA_REJECTED":         {"图形验证码错误或已失效", "请刷新图形验证码后重试"},
	"CAPTCHA_REQUIRED":         {"请先完成图形验证码", "请获取并填写图形验证码"},
	"CERT_REQUEST_REJECTED":    {"证书申请未通过校验", "请重新申请数字证书；仍未成功请升级应用或联系客服"},
	"CHANNEL_EXPIRED":          {"安全通道已失效", "请重新打开应用"},
	"CHANNEL_REFUSED":          {"无法建立安全通道", "请升级应用后重试"},
	"DEVICE_LOCKED":            {"登录已锁定在另一台设备", "请在已锁定的设备上登录；无法使用该设备时，请凭交易密码和卡号解除设备锁"},
	"DEVICE_UNBOUND":           {"本机尚未绑定，无法完成本次验证", "请重新登录并绑定本机，再重新发起"},
	"ENVIRONMENT_UNSAFE":       {"手机环境存在安全风险，转账功能已停用", "请排除风险后重新打开应用"},
	"FACE_EXPIRED":             {"本次人脸验证已失效", "请重新开始人脸验证"},
	"FACE_REFERENCE_MISSING":   {"没有可供比对的人脸照片，或照片采集时间过久", "请改用其他验证方式，或携带有效身份证件到网点采集照片"},
	"FACE_REJECTED":            {"人脸验证未通过", "请在光线充足处正对屏幕，按提示完成动作后重试"},
	"FACE_SUSPENDED":           {"人脸验证失败次数过多，已暂停使用", "请改用其他验证方式，或在暂停时间结束后再试"},
	"FRAME_REJECTED":           {"请求未通过安全校验", "请检查手机时间和网络后重试"},
	"FRAME_REPLAYED":           {"请求重复", "请返回后重新操作"},
	"FUNCTION_UNKNOWN":         {"没有该功能", "请升级应用后重试"},
	"FUNDS_INSUFFICIENT":       {"账户可用余额不足", "请更换付款账户或修改金额"},
	"IDEMPOTENCY_KEY_MISSING":  {"请求缺少唯一标识", "请升级应用后重试"},
	"IDEMPOTENCY_KEY_REUSED":   {"该请求标识已用于其他内容", "请返回后重新操作"},
	"INPUT_INVALID":            {"提交的信息有误", "请检查后重新提交"},
	"INPUT_TOO_LARGE":          {"提交的内容过大", "请缩短后重新提交"},
	"INTENT_EXPIRED":           {"该笔操作已过期", "请重新发起"},
	"INTENT_USED":              {"该笔操作已经完成", "请查看交易结果，请勿重复办理"},
	"INTERNAL_ERROR":           {"系统繁忙", "请稍后再试；如需帮助请联系客服并提供流水号"},
	"LIMIT_EXCEEDED":           {"超过交易限额", "请降低金额，或使用安全等级更高的认证方式"},
	"LOGIN_FAILED":             {"用户名或密码、验证码错误", "请检查后重试"},
	"LOGIN_PASSWORD_LOCKED":    {"登录密码输错次数过多，已锁定", "请在锁定时间结束后再试；忘记登录密码请找回"},
	"METHOD_NOT_ALLOWED":       {"请求方式不支持", "请升级应用后重试"},
	"OBJECT_NOT_FOUND":         {"没有找到相关信息", "请返回后刷新重试"},
	"OTP_TOO_OFTEN":            {"验证码发送过于频繁", "请稍后再获取验证码"},
	"PASSWORD_UNSEALED":        {"密码未按要求加密", "请升级应用后重试"},
	"PASSWORD_CHANGE_REQUIRED": {"请先修改登录密码", "您正在使用银行设置的密码，请先修改登录密码，再使用其他功能"},
	"PASSWORD_WEAK":            {"密码不符合安全要求", "请勿使用连续、重复数字或证件号、手机号中的数字，两个密码不能相同"},
	"PAYEE_MISMATCH":           {"收款户名与账号不符", "请核对收款人信息"},
	"PHONE_TAKEN":              {"该手机号码已被使用", "请换一个号码，或到网点办理"},
	"PROOF_REJECTED":           {"身份验证未通过", "请核对验证码、密码或重新签名"},
	"RATE_LIMITED":             {"操作过于频繁", "请稍后再试"},
	"REGISTRATION_REFUSED":     {"信息核验未通过", "请核对姓名、证件、卡号、密码和预留手机号"},
	"REPORT_REPLAYED":          {"手机的安全检测结果重复", "请重新打开应用"},
	"REQUEST_IN_PROGRESS":      {"该请求正在处理", "请稍后查询结果，勿重复提交"},
	"RESET_BRANCH_ONLY":        {"该账户不支持在线重置交易密码", "请携带有效身份证件到网点办理"},
	"RESET_REFUSED":            {"信息核验未通过", "请核对姓名、证件、卡号和预留手机号；仍无法办理请到网点"},
	"RISK_REFUSED":             {"该交易存在风险，已被拦截", "请联系客服核实"},
	"SERVICE_UNAVAILABLE":      {"服务暂时不可用", "请稍后再试"},
	"SESSION_DISPLACED":        {"您的账号已在其他设备登录", "如非本人操作请立即修改密码并联系客服"},
	"SESSION_REQUIRED":         {"登录已失效", "请重新登录"},
	"SMS_EXHAUSTED":            {"短信发送量已达上限", "请稍后再获取验证码；急需办理请前往柜台"},
	"WARNING_UNACKNOWLEDGED":   {"尚未确认风险提示", "请阅读最新的风险提示并确认后再开启"},
	"OPTION_OFF":               {"该功能尚未开启", "请在设置中阅读风险提示，确认后开启该功能，再重新发起"},
	"STEPUP_STRONGER":          {"需要更高安全等级的认证方式", "请补充缺少的验证方式，或使用U盾、令牌，也可降低金额"},
	"TOKEN_LOCKED":             {"动态令牌连续输错，已临时锁定", "请在锁定时间结束后再试；令牌时间不准请先校准"},
	"TRADE_PASSWORD_FROZEN":    {"交易密码今日输错次数过多，已冻结", "请于次日零时后再试；忘记交易密码请联系客服"},
	"TRADE_PASSWORD_LOCKED":    {"交易密码连续输错，已临时锁定", "请在锁定时间结束后再试；忘记交易密码请联系客服"},
}

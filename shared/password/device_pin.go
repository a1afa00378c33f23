package password

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/pg"
)

const sqlDevicePINs = `-- device.pins
SELECT device_id, pin FROM device WHERE customer_id = $1 AND pin IS NOT NULL ORDER BY bound_at DESC, device_id LIMIT 20`

// OnDevice reports whether the text is the PIN of one of the customer's devices, of 20 at most. Like SameLogin it is
// only for a customer who has proved two factors.
func OnDevice(ctx context.Context, db pg.Reader, turn *Turn, customer uuid.UUID, clear []byte) (bool, error) {
	if len(clear) != tradeLength || !digits.Only(string(clear)) { // no PIN is such a text
		return false, nil
	}
	type devicePIN struct{ Device, Stored string }
	rows, err := db.Query(ctx, sqlDevicePINs, customer)
	if err != nil {
		return false, fmt.Errorf("PINs of devices: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[devicePIN])
	if err != nil {
		return false, fmt.Errorf("PINs of devices: %w", err)
	}
	for _, p := range list {
		checked, err := turn.Check(OfDevicePIN(customer, p.Device), p.Stored, clear)
		if err != nil || checked.Right {
			return checked.Right, err
		}
	}
	return false, nil
}

// devicePINRules are the rules of a trade password, for the PIN of a device, of as many digits.
func devicePINRules() []Rule {
	rule := func(name string, figure int, chinese, english string, broken func(p New) bool) Rule {
		return Rule{DevicePINField, name, figure, figured(chinese, figure), figured(english, figure), broken}
	}
	return []Rule{
		rule("too_short", tradeLength, "须为%d位", "Use exactly %d digits",
			func(p New) bool { return utf8.RuneCountInString(p.DevicePIN) < tradeLength }),
		rule("too_long", tradeLength, "须为%d位", "Use exactly %d digits",
			func(p New) bool { return utf8.RuneCountInString(p.DevicePIN) > tradeLength }),
		rule("not_digits", 0, "只能使用数字", "Use digits only", func(p New) bool { return !digits.Only(p.DevicePIN) }),
		rule("sequence", 0, "不能为连续数字", "Avoid ascending or descending digits", func(p New) bool { return isSequence(p.DevicePIN) }),
		rule("repetition", 0, "不能为重复数字", "Avoid repeated digits, groups and pairs", func(p New) bool { return isRepetition(p.DevicePIN) }),
		rule("personal_data", personalRun, personalChinese, personalEnglish, func(p New) bool { return p.personal(p.DevicePIN) }),
		rule("trade_password", 0, "不能与交易密码相同", "Choose another PIN than the trade password",
			func(p New) bool { return p.Same && p.DevicePIN != "" }),
	}
}

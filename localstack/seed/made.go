package seed

import (
	"fmt"

	"github.com/tidebank/tidebank/shared/idno"
	"github.com/tidebank/tidebank/shared/money"
)

// CardPassword is the card password of every person whom this package makes up.
const CardPassword = "851937"

// Made is the test customer of a number: the same number gives the same person. All
// customers of tests, of the local bank and of the benchmarks are made here, in the
// reserved ranges.
func Made(name string, n int64, balances ...money.Fen) Person {
	p := Person{
		Name: name, IDNo: idno.Complete(fmt.Sprintf("11010119900307%03d", n%1000)),
		Phone: fmt.Sprintf("138%08d", 10_000_000+n*7919), CardPassword: CardPassword,
	}
	for i, balance := range balances {
		p.Accounts = append(p.Accounts, Account{No: fmt.Sprintf("62284800%07d%04d", n, i+1), Balance: balance})
	}
	return p
}

// Demo are the customers of the local bank when it starts.
func Demo() []Person {
	var list []Person
	for i, one := range []struct {
		name     string
		balances []money.Fen
	}{{"王小明", []money.Fen{200_000_00, 5_000_00}}, {"李芳", []money.Fen{88_888_88}}, {"张伟", []money.Fen{1_000_00}}} {
		p := Person{
			Name: one.name, IDNo: idno.Complete(fmt.Sprintf("11010119900307%03d", 123+i)),
			Phone: fmt.Sprintf("1380001%04d", i+1), CardPassword: CardPassword,
		}
		for j, balance := range one.balances {
			p.Accounts = append(p.Accounts, Account{No: fmt.Sprintf("62284800100000000%d%d", i+1, j+1), Balance: balance})
		}
		list = append(list, p)
	}
	return list
}

// Visitor is the customer of a number below 1,000,000,000 whom the local bank makes up
// for a developer.
func Visitor(n int64) Person {
	families, given := []rune("赵钱孙李周吴郑王冯陈"), []rune("安宁清远思源明月嘉禾")
	return Person{
		Name:  string([]rune{families[n%10], given[n/10%10], given[n/100%10]}),
		IDNo:  idno.Complete(fmt.Sprintf("1101011990%02d%02d%03d", 1+n%12, 1+n/12%28, n/1000%1000)),
		Phone: fmt.Sprintf("1390%07d", n%10_000_000), CardPassword: CardPassword,
		Accounts: []Account{
			{No: fmt.Sprintf("622848%013d", 2_000_000_000_000+n), Balance: 100_000_00},
			{No: fmt.Sprintf("622848%013d", 3_000_000_000_000+n+1), Balance: 1_000_00},
		},
	}
}

// Caller is the customer of a number below 100,000 in the benchmarks, with one account.
func Caller(n int, balance money.Fen) Person {
	return Person{
		Name: fmt.Sprintf("测试%04d", n), IDNo: idno.Complete(fmt.Sprintf("110101%04d0307%03d", 1950+n/1000, n%1000)),
		Phone: fmt.Sprintf("138%08d", n), Accounts: []Account{{No: fmt.Sprintf("622848000000%07d", n), Balance: balance}},
	}
}

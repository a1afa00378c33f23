package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// vault is a resource in the form of the package: a required argument, one that is optional and computed, a result, a
// required block of which there is one, a set of blocks, and the times to wait.
const vault = `
export interface VaultConfig extends cdktf.TerraformMetaArguments {
  /**
  * Docs at Terraform Registry: {@link https://example.com#name Vault#name}
  */
  readonly name: string;
  /**
  * lock block
  *
  * Docs at Terraform Registry
  */
  readonly lock: VaultLock;
  /**
  * door block
  */
  readonly door?: VaultDoor[] | cdktf.IResolvable;
  /**
  * timeouts block
  */
  readonly timeouts?: VaultTimeouts;
}
export class VaultLockOutputReference extends cdktf.ComplexObject {
  public constructor(terraformResource: cdktf.IInterpolatingParent, terraformAttribute: string) {
    super(terraformResource, terraformAttribute, false, 0);
  }

  // days - computed: false, optional: true, required: false
  private _days?: number; 
  public get days() {
    return this.getNumberAttribute('days');
  }
}
export class VaultDoorOutputReference extends cdktf.ComplexObject {
  // ports - computed: false, optional: false, required: true
  private _ports?: number[]; 
  public get ports() {
    return cdktf.Token.asNumberList(cdktf.Fn.tolist(this.getNumberListAttribute('ports')));
  }
}
export class VaultMembersOutputReference extends cdktf.ComplexObject {
  // arn - computed: true, optional: false, required: false
  public get arn() {
    return this.getStringAttribute('arn');
  }
}
export class VaultTimeoutsOutputReference extends cdktf.ComplexObject {
  public constructor(terraformResource: cdktf.IInterpolatingParent, terraformAttribute: string) {
    super(terraformResource, terraformAttribute);
  }

  // create - computed: false, optional: true, required: false
  private _create?: string; 
  public get create() {
    return this.getStringAttribute('create');
  }
}
export class Vault extends cdktf.TerraformResource {
  public static readonly tfResourceType = "aws_vault";

  // name - computed: false, optional: false, required: true
  private _name?: string; 
  public get name() {
    return this.getStringAttribute('name');
  }

  // tags - computed: true, optional: true, required: false
  private _tags?: { [key: string]: string }; 
  public get tags() {
    return this.getStringMapAttribute('tags');
  }

  // members - computed: true, optional: false, required: false
  private _members = new VaultMembersList(this, "members", false);
  public get members() {
    return this._members;
  }

  // lock - computed: false, optional: false, required: true
  private _lock = new VaultLockOutputReference(this, "lock");
  public get lock() {
    return this._lock;
  }

  // door - computed: false, optional: true, required: false
  private _door = new VaultDoorList(this, "door", true);
  public get door() {
    return this._door;
  }

  // timeouts - computed: false, optional: true, required: false
  private _timeouts = new VaultTimeoutsOutputReference(this, "timeouts");
  public get timeouts() {
    return this._timeouts;
  }
}
`

const vaultData = `
export class DataVault extends cdktf.TerraformDataSource {
  public static readonly tfResourceType = "aws_vault";

  // name - computed: false, optional: false, required: true
  private _name?: string; 
  public get name() {
    return this.getStringAttribute('name');
  }
}
`

const awsProvider = `
export function awsProviderEndpointsToHclTerraform(struct?: AwsProviderEndpoints): any {
  const attrs = {
    sqs: {
      value: cdktf.stringToHclTerraform(struct!.sqs),
      isBlock: false,
      type: "simple",
      storageClassType: "string",
    },
  };
}
export class AwsProvider extends cdktf.TerraformProvider {
  protected synthesizeHclAttributes(): { [name: string]: any } {
    const attrs = {
      allowed_account_ids: {
        value: cdktf.listMapperHcl(cdktf.stringToHclTerraform, false)(this._allowedAccountIds),
        isBlock: false,
        type: "set",
        storageClassType: "stringList",
      },
      alias: {
        value: cdktf.stringToHclTerraform(this._alias),
        isBlock: false,
        type: "simple",
        storageClassType: "string",
      },
      endpoints: {
        value: cdktf.listMapperHcl(awsProviderEndpointsToHclTerraform, true)(this._endpoints),
        isBlock: true,
        type: "set",
        storageClassType: "AwsProviderEndpointsList",
      },
    };
  }
}
`

// pack makes a package of folders with their TypeScript.
func pack(t *testing.T, folders map[string]string) string {
	t.Helper()
	var raw bytes.Buffer
	packed := gzip.NewWriter(&raw)
	archive := tar.NewWriter(packed)
	for name, text := range folders {
		source, err := json.Marshal(map[string]any{"sourcesContent": []string{text}})
		must(t, err)
		code := "code\n//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString(source)
		must(t, archive.WriteHeader(&tar.Header{Name: "package/lib/" + name + "/index.js", Mode: 0o600, Size: int64(len(code))}))
		_, err = archive.Write([]byte(code))
		must(t, err)
	}
	must(t, archive.Close())
	must(t, packed.Close())
	file := filepath.Join(t.TempDir(), "package.tgz")
	must(t, os.WriteFile(file, raw.Bytes(), 0o600))
	return file
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestExtract(t *testing.T) {
	t.Parallel()
	schema, err := extract(pack(t, map[string]string{"vault": vault, "data-vault": vaultData, "provider": awsProvider}))
	must(t, err)
	path := filepath.Join(t.TempDir(), "schema")
	must(t, schema.write(path))
	schema, err = read(path, []string{"aws_other"})
	must(t, err)
	if len(schema.Resources) != 0 || len(schema.Data) != 0 || schema.Provider == nil {
		t.Errorf("of types that are not there: %+v", schema)
	}
	schema, err = read(path, nil)
	must(t, err)

	text, number := Type{Kind: "string"}, Type{Kind: "number"}
	member := Type{Kind: "object", Fields: map[string]Type{"arn": text}}
	want := &Block{
		Attributes: map[string]Attribute{
			"name":    {Type: text, Required: true},
			"tags":    {Type: Type{Kind: "map", Element: &text}, Optional: true, Computed: true},
			"members": {Type: Type{Kind: "list", Element: &member}, Computed: true},
		},
		Blocks: map[string]Nested{
			"lock": {Nesting: "list", Min: 1, Max: 1, Block: &Block{
				Attributes: map[string]Attribute{"days": {Type: number, Optional: true}}, Blocks: map[string]Nested{},
			}},
			"door": {Nesting: "set", Block: &Block{
				Attributes: map[string]Attribute{"ports": {Type: Type{Kind: "set", Element: &number}, Required: true}},
				Blocks:     map[string]Nested{},
			}},
			"timeouts": {Nesting: "single", Block: &Block{
				Attributes: map[string]Attribute{"create": {Type: text, Optional: true}}, Blocks: map[string]Nested{},
			}},
		},
	}
	want.kind = want.valueType()
	if got := schema.Resources["aws_vault"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := schema.Data["aws_vault"]; got == nil || !got.Attributes["name"].Required {
		t.Errorf("data source: %+v", got)
	}
	p := schema.Provider
	if len(p.Attributes) != 1 || p.Attributes["allowed_account_ids"].Type.Kind != "set" ||
		p.Blocks["endpoints"].Nesting != "set" || p.Blocks["endpoints"].Block.Attributes["sqs"].Type.Kind != "string" {
		t.Errorf("provider: %+v", p)
	}
	if got := member.proto(); !got.Equal(tftypes.Object{AttributeTypes: map[string]tftypes.Type{"arn": tftypes.String}}) {
		t.Errorf("proto: %s", got)
	}
}

// A package of another form is refused, and not read as a smaller schema.
func TestExtractRefuses(t *testing.T) {
	t.Parallel()
	for name, folders := range map[string]map[string]string{
		"no provider":        {"vault": vault, "data-vault": vaultData},
		"an unknown getter":  {"vault": "export class V extends cdktf.TerraformResource {\n  x = \"\"; tfResourceType = \"aws_v\";\n  // a - computed: true, optional: false, required: false\n  public get a() {\n    return this.getSomethingNew('a');\n  }\n}\n"},
		"a resource unnamed": {"vault": "export class V extends cdktf.TerraformResource {\n  x = 1;\n}\n"},
	} {
		if _, err := extract(pack(t, folders)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A result takes no value, in a block either.
func TestResultsTakeNoValue(t *testing.T) {
	t.Parallel()
	block := &Block{
		Attributes: map[string]Attribute{
			"name": {Type: Type{Kind: "string"}, Required: true}, "arn": {Type: Type{Kind: "string"}, Computed: true},
			"id": {Type: Type{Kind: "string"}, Optional: true, Computed: true},
		},
		Blocks: map[string]Nested{"door": {Nesting: "list", Block: &Block{
			Attributes: map[string]Attribute{"state": {Type: Type{Kind: "string"}, Computed: true}}, Blocks: map[string]Nested{},
		}}},
	}
	door := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"state": tftypes.String}}
	whole := (&tfprotov5.Schema{Block: block.proto()}).ValueType()
	value := func(arn, state any) *tfprotov5.DynamicValue {
		v, err := tfprotov5.NewDynamicValue(whole, tftypes.NewValue(whole, map[string]tftypes.Value{
			"name": tftypes.NewValue(tftypes.String, "n"), "id": tftypes.NewValue(tftypes.String, "i"),
			"arn": tftypes.NewValue(tftypes.String, arn),
			"door": tftypes.NewValue(tftypes.List{ElementType: door}, []tftypes.Value{
				tftypes.NewValue(door, map[string]tftypes.Value{"state": tftypes.NewValue(tftypes.String, state)}),
			}),
		}))
		must(t, err)
		return &v
	}
	blocks := map[string]*Block{"aws_vault": block}
	for _, c := range []struct {
		arn, state any
		want       int
	}{{nil, nil, 0}, {"a", nil, 1}, {nil, "open", 1}, {"a", "open", 2}} {
		if got := check(blocks, "aws_vault", value(c.arn, c.state)); len(got) != c.want {
			t.Errorf("%v, %v: %d problems, want %d", c.arn, c.state, len(got), c.want)
		}
	}
	if got := check(blocks, "aws_other", value(nil, nil)); len(got) != 1 {
		t.Errorf("an unknown resource: %v", got)
	}
}
